"""Conversion of records into unsaved rows: columns, cuts, zones. Events keep cut values whole in `extra`."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from cmc_webhooks import timezones, wire
from cmc_webhooks.db import instances
from cmc_webhooks.models import BlockEvent, Mail, Notification, RejectedEvent
from cmc_webhooks.models.mails import FILLED_LATER_FIELDS, SENT_FIELDS
from cmc_webhooks.models.querysets import ADDRESS_LENGTH, NAME_LENGTH

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID
    from zoneinfo import ZoneInfo

    from cmc_webhooks.models import MailEvent

__all__ = [
    "Times",
    "block_event",
    "fill",
    "mail",
    "mail_event",
    "mail_key",
    "notification",
    "rejected_event",
]


def mail_key(record: wire.MailRecord) -> UUID:
    """Return the key of the mail that an event belongs to."""
    return wire.mail_key(
        wire.bare_message_id(record.message_id),
        record.server_composition,
        wire.normalise_address(record.recipient),
        record.key,
    )


def mail(record: wire.MailRecord, key: UUID, times: Times) -> Mail:
    """Return the mail as its first event describes it, before that event is merged."""
    address = wire.canonical_mailbox(record.recipient)
    occurred_at = times.occurred_at(record)
    return instances.build(
        Mail,
        {
            "id": key,
            "message_id": record.message_id,
            "recipient": record.recipient,
            "address": address[:ADDRESS_LENGTH],
            "domain": wire.domain_of(address)[:NAME_LENGTH],
            "header_from": record.header_from,
            "sender": _sender(record),
            "return_path": record.return_path,
            "subject": record.subject,
            "api_data": record.api_data[:NAME_LENGTH],
            "server_composition": record.server_composition[:NAME_LENGTH],
            "status": "",
            "previous_status": "",
            "delivery_status": "",
            "delivery_event_id": None,
            "bounce_code": "",
            "bounce_class": "",
            "bounce_event_id": None,
            "status_at": None,
            "reason": "",
            "version": 0,
            "created_at": times.received_at,
            "first_event_at": occurred_at,
            "last_event_at": occurred_at,
            "erased_at": None,
        },
    )


def fill(mail: Mail, record: wire.MailRecord) -> None:
    """Set the mail's texts that no earlier event had. Do nothing if its personal data was erased."""
    if mail.erased_at is not None:
        return
    if not mail.header_from:
        mail.sender = _sender(record)
    for name in FILLED_LATER_FIELDS:
        if not getattr(mail, name) and (value := getattr(record, name)):
            setattr(mail, name, value[:NAME_LENGTH] if name == "api_data" else value)


def _sender(record: wire.MailRecord) -> str:
    return wire.canonical_mailbox(record.header_from)[:ADDRESS_LENGTH]


def mail_event(
    model: Any,
    record: wire.MailRecord,
    mail: Mail,
    notification: UUID,
    times: Times,
) -> MailEvent:
    """Return the row of a delivery or a bounce, without texts if the mail's personal data was erased."""
    columns, extra = _columns(model, record)
    if mail.erased_at is not None:
        columns["reason"], extra = "", {}
    else:
        extra = {**_differing(record, mail), **extra, **record.extra}  # what was sent wins
    columns["id"], columns["mail_id"], columns["notification_id"] = record.key, mail.id, notification
    columns["occurred_at"], columns["received_at"] = times.occurred_at(record), times.received_at
    columns["extra"] = extra
    row: MailEvent = instances.build(model, columns)
    row._state.fields_cache["mail"] = mail
    return row


def block_event(record: wire.BlockRecord, notification: UUID, times: Times) -> BlockEvent:
    """Return the row of a block. `raw` holds everything that was sent."""
    columns, _ = _columns(BlockEvent, record)
    return BlockEvent(
        id=record.key,
        notification_id=notification,
        occurred_at=times.occurred_at(record),
        received_at=times.received_at,
        address=wire.canonical_mailbox(record.recipient)[: _room(BlockEvent, "address")],
        **columns,
    )


def notification(
    sent: wire.Notification, received_at: datetime, source: str, *, new: int, repeated: int, rejected: int
) -> Notification:
    """Return the row with the counts of a notification. Its key begins with the time of receipt."""
    return Notification(
        id=wire.time_key(int(received_at.timestamp() * 1000)),
        received_at=timezones.to_stored(received_at),
        source=source,
        event_type=sent.event_type[: _room(Notification, "event_type")],
        server_composition=sent.server_composition[: _room(Notification, "server_composition")],
        new=new,
        repeated=repeated,
        rejected=rejected,
    )


def rejected_event(sent: wire.Notification, rejection: wire.Rejection, times: Times) -> RejectedEvent:
    """Return the row of an event that could not be read or stored."""
    return RejectedEvent(
        id=rejection.key,
        event_type=sent.event_type[: _room(RejectedEvent, "event_type")],
        server_composition=sent.server_composition[: _room(RejectedEvent, "server_composition")],
        received_at=times.received_at,
        position=rejection.position,
        raw=rejection.raw,
        error=rejection.error,
    )


class Times:
    """Conversion of CMC's times to stored times.

    A time without an offset is in the zone that the project names. An unusable time becomes the time of
    receipt.
    """

    def __init__(self, zone: ZoneInfo, received_at: datetime) -> None:
        self._zone = zone
        self._known: dict[datetime, datetime] = {}
        self.received_at = timezones.to_stored(received_at)

    def occurred_at(self, record: wire.Record) -> datetime:
        created = record.created
        if created is None:
            return self.received_at
        if created.tzinfo:
            return timezones.to_stored(created)
        occurred_at = self._known.get(created)
        if occurred_at is None:
            occurred_at = self._known[created] = timezones.to_stored(created.replace(tzinfo=self._zone))
        return occurred_at


def _columns(model: Any, record: wire.Record) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the record's values for the model's columns, and those that were cut, whole, by CMC's names."""
    kind: Any = type(record)
    columns, cut = {}, {}
    for name, room in _shared(model, kind):
        value = columns[name] = getattr(record, name)
        if room is not None and len(value) > room:
            columns[name], cut[_wire_names(kind).get(name, name)] = value[:room], value
    return columns, cut


def _differing(record: wire.MailRecord, mail: Mail) -> dict[str, str]:
    """Return the event's values for its mail that differ from the mail's row, by CMC's names."""
    kind: Any = type(record)
    differing = {
        _wire_names(kind)[name]: value
        for name in SENT_FIELDS
        if (value := getattr(record, name)) and value != getattr(mail, name)
    }
    if record.server_composition != mail.server_composition:
        differing["server_composition"] = record.server_composition
    return differing


@cache
def _shared(model: Any, record_type: Any) -> tuple[tuple[str, int | None], ...]:
    """Return the columns that a record's field of the same name fills, each with its maximum length."""
    fields = record_type.__dataclass_fields__.keys() - {"extra"}
    return tuple(
        (field.name, field.max_length) for field in model._meta.concrete_fields if field.name in fields
    )


@cache
def _wire_names(record_type: Any) -> Mapping[str, str]:
    names: Mapping[str, str] = record_type.wire_names()
    return names


@cache
def _room(model: Any, name: str) -> int | None:
    room: int | None = model._meta.get_field(name).max_length
    return room
