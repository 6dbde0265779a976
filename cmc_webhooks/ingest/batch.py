"""A notification made ready to be stored: each event once, in the order sent, each with its mail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from cmc_webhooks import event_types, rows, wire
from cmc_webhooks.conf import app_settings
from cmc_webhooks.models import BlockEvent, Mail

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from cmc_webhooks.models import MailEvent, Notification, RejectedEvent

__all__ = ["Batch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one transaction stores.

    `source` is one of `Notification.Sources`. `records` are by event key; `mail_keys` say for each which mail
    it belongs to, and are empty for blocks.
    """

    sent: wire.Notification
    received_at: datetime
    source: str
    times: rows.Times
    model: type[Any] | None
    records: Mapping[UUID, wire.Record]
    mail_keys: Mapping[UUID, UUID]

    @classmethod
    def of(cls, sent: wire.Notification, received_at: datetime, source: str) -> Self:
        """The batch of a notification received at that (aware) moment, as the project's settings want it."""
        kind = event_types.EVENT_TYPES.get(sent.event_type)
        records: dict[UUID, wire.Record] = {}
        oldest, store_subject = _oldest_key(received_at), app_settings.store_subject
        for record in sent.records:
            if oldest is None or record.created is None or record.key >= oldest:
                records.setdefault(
                    record.key, record if store_subject else wire.record_without_subject(record)
                )
        return cls(
            sent=sent,
            received_at=received_at,
            source=source,
            times=rows.Times(app_settings.time_zone, received_at),
            model=kind.model if kind else None,
            records=records,
            mail_keys={
                key: rows.mail_key(record)
                for key, record in records.items()
                if isinstance(record, wire.MailRecord)
            },
        )

    def mails(self) -> list[Mail]:
        """The mails of all events, as their first events here describe them."""
        mails: dict[UUID, Mail] = {}
        for key, record in self.records.items():
            if isinstance(record, wire.MailRecord) and (mail_key := self.mail_keys[key]) not in mails:
                mails[mail_key] = rows.mail(record, mail_key, self.times)
        return list(mails.values())

    def events(
        self, new: Mapping[UUID, wire.Record], mails: Mapping[UUID, Mail], notification: UUID
    ) -> list[MailEvent | BlockEvent]:
        """The rows of these records, in the order sent. The mails learn texts that they lacked."""
        events: list[MailEvent | BlockEvent] = []
        for key, record in new.items():
            if isinstance(record, wire.BlockRecord):
                events.append(rows.block_event(record, notification, self.times))
            elif self.model and isinstance(record, wire.MailRecord):
                mail = mails[self.mail_keys[key]]
                rows.fill(mail, record)
                events.append(rows.mail_event(self.model, record, mail, notification, self.times))
        return events

    def notification(self, new: int) -> Notification:
        """The row that counts these events."""
        return rows.notification(
            self.sent,
            self.received_at,
            self.source,
            new=new,
            repeated=len(self.sent.records) - new,
            rejected=len(self.sent.rejections),
        )

    def rejected_events(self) -> list[RejectedEvent]:
        """The rows of what could not be read."""
        rejections = self.sent.rejections
        if not app_settings.store_subject:
            rejections = tuple(map(wire.rejection_without_subject, rejections))
        return [rows.rejected_event(self.sent, rejection, self.times) for rejection in rejections]

    def about(self, sent: wire.Notification) -> Self:
        """This batch of another notification with the same records."""
        return replace(self, sent=sent)

    def only(self, records: Mapping[UUID, wire.Record]) -> Self:
        """This batch with some of its records."""
        return replace(
            self,
            records=records,
            mail_keys={key: self.mail_keys[key] for key in records if key in self.mail_keys},
        )

    def rejecting(self, key: UUID, error: str) -> Self:
        """This batch with one record moved to the rejections."""
        rejection = wire.reject(self.sent, self.records[key], error)
        sent = replace(
            self.sent,
            records=tuple(record for record in self.sent.records if record.key != key),
            rejections=(*self.sent.rejections, rejection),
        )
        return self.only({k: record for k, record in self.records.items() if k != key}).about(sent)


def _oldest_key(received_at: datetime) -> UUID | None:
    """The least key of events that are kept: of an older one a repeat could not be told from a new one."""
    days = app_settings.retention_of_events
    if days is None:
        return None
    return wire.key_at((received_at - timedelta(days=days)).astimezone(app_settings.time_zone))
