"""A notification prepared for storing: each event once, in the order sent, each with its mail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from cmc_webhooks import event_types, wire
from cmc_webhooks.conf import app_settings
from cmc_webhooks.ingest import rows
from cmc_webhooks.models import BlockEvent, Mail

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from cmc_webhooks.models import MailEvent, Notification, RejectedEvent

__all__ = ["Batch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The content of one transaction.

    `source` is one of `Notification.Sources`. `records` maps event keys to records. `mail_keys` maps the same
    keys to the keys of the mails that the events belong to; it is empty for blocks.
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
        """Return the batch of a notification as the settings require. `received_at` is aware."""
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
        """Return the mails of all events, each as its first event in this batch describes it."""
        mails: dict[UUID, Mail] = {}
        for key, record in self.records.items():
            if isinstance(record, wire.MailRecord) and (mail_key := self.mail_keys[key]) not in mails:
                mails[mail_key] = rows.mail(record, mail_key, self.times)
        return list(mails.values())

    def events(
        self, new: Mapping[UUID, wire.Record], mails: Mapping[UUID, Mail], notification: UUID
    ) -> list[MailEvent | BlockEvent]:
        """Return the rows of these records, in the order sent. Fill in the texts that their mails lack."""
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
        """Return the row that counts these events."""
        return rows.notification(
            self.sent,
            self.received_at,
            self.source,
            new=new,
            repeated=len(self.sent.records) - new,
            rejected=len(self.sent.rejections),
        )

    def rejected_events(self) -> list[RejectedEvent]:
        """Return the rows of the events that could not be read or stored."""
        rejections = self.sent.rejections
        if not app_settings.store_subject:
            rejections = tuple(map(wire.rejection_without_subject, rejections))
        return [rows.rejected_event(self.sent, rejection, self.times) for rejection in rejections]

    def about(self, sent: wire.Notification) -> Self:
        """Return this batch with another notification that has the same records."""
        return replace(self, sent=sent)

    def only(self, records: Mapping[UUID, wire.Record]) -> Self:
        """Return this batch with these records instead, whose keys are among those that it has."""
        return replace(
            self,
            records=records,
            mail_keys={key: self.mail_keys[key] for key in records if key in self.mail_keys},
        )

    def rejecting(self, key: UUID, error: str) -> Self:
        """Return this batch with one record moved to the rejections."""
        rejection = wire.reject(self.sent, self.records[key], error)
        sent = replace(
            self.sent,
            records=tuple(record for record in self.sent.records if record.key != key),
            rejections=(*self.sent.rejections, rejection),
        )
        return self.only({k: record for k, record in self.records.items() if k != key}).about(sent)


def _oldest_key(received_at: datetime) -> UUID | None:
    """Return the least key of events that are kept, or None if all are.

    A repeat of an older event could not be distinguished from a new event.
    """
    days = app_settings.retention_of_events
    if days is None:
        return None
    return wire.key_at((received_at - timedelta(days=days)).astimezone(app_settings.time_zone))
