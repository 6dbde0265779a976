"""Record -> unsaved row: columns, cuts, zones. What does not fit a column is whole in `extra`."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils import timezone

from cmc_webhooks import wire
from cmc_webhooks.models import BlockEvent, Mail, Notification, RejectedEvent, instances
from cmc_webhooks.querysets import ADDRESS_LENGTH, NAME_LENGTH

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID
    from zoneinfo import ZoneInfo

    from cmc_webhooks.models import MailEvent

__all__ = [
    "Times",
    "aware",
    "block_event",
    "fill",
    "mail",
    "mail_event",
    "mail_key",
    "notification",
    "rejected_event",
    "stored",
]

_MAIL_TEXTS = ("message_id", "recipient", "header_from", "return_path", "subject", "api_data")
_FILLED_LATER = ("header_from", "return_path", "subject", "api_data")


def stored(moment: datetime) -> datetime:
    """An aware moment as the project stores times: in UTC, or naive in its zone where USE_TZ is off."""
    if settings.USE_TZ:
        return moment.astimezone(UTC)
    return timezone.make_naive(moment, timezone.get_default_timezone())


def aware(moment: datetime) -> datetime:
    """A stored time as an aware moment; a naive one of an hour that comes twice is of the first."""
    if not timezone.is_naive(moment):
        return moment
    # databases keep no `fold`, and PostgreSQL's driver makes one up
    return timezone.make_aware(moment.replace(fold=0), timezone.get_default_timezone())


def mail_key(record: wire.MailRecord) -> UUID:
    """The key of the mail that an event belongs to."""
    return wire.mail_key(
        wire.bare_message_id(record.message_id),
        record.server_composition,
        wire.normalise_address(record.recipient),
        record.key,
    )


def mail(record: wire.MailRecord, key: UUID, times: Times) -> Mail:
    """The mail as its first event describes it, before that event is merged."""
    address = wire.normalise_address(record.recipient)
    occurred_at = times.occurred_at(record)
    return instances.made(
        Mail,
        {
            "id": key,
            "message_id": record.message_id,
            "recipient": record.recipient,
            "address": address[:ADDRESS_LENGTH],
            "domain": wire.domain_of(address)[:NAME_LENGTH],
            "header_from": record.header_from,
            "return_path": record.return_path,
            "subject": record.subject,
            "api_data": record.api_data[:NAME_LENGTH],
            "server_composition": record.server_composition[:NAME_LENGTH],
            "status": "",
            "previous_status": "",
            "delivery_status": "",
            "delivery_event_id": None,
            "bounce_code": "",
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
    """Give the mail the texts that no event before this one had; none if its personal data was erased."""
    if mail.erased_at is not None:
        return
    for name in _FILLED_LATER:
        if not getattr(mail, name) and (value := getattr(record, name)):
            setattr(mail, name, value[:NAME_LENGTH] if name == "api_data" else value)


def mail_event(
    model: Any,
    record: wire.MailRecord,
    mail: Mail,
    notification: UUID,
    times: Times,
) -> MailEvent:
    """The row of a delivery or a bounce; without texts if the mail's personal data was erased."""
    columns, extra = _columns(model, record)
    if mail.erased_at is not None:
        columns["reason"], extra = "", {}
    else:
        extra = {**record.extra, **_differing(record, mail), **extra}
    columns["id"], columns["mail_id"], columns["notification_id"] = record.key, mail.id, notification
    columns["occurred_at"], columns["received_at"] = times.occurred_at(record), times.received_at
    columns["extra"] = extra
    row: MailEvent = instances.made(model, columns)
    row._state.fields_cache["mail"] = mail
    return row


def block_event(record: wire.BlockRecord, notification: UUID, times: Times) -> BlockEvent:
    """The row of a block; whatever was sent is whole in `raw`."""
    columns, _ = _columns(BlockEvent, record)
    return BlockEvent(
        id=record.key,
        notification_id=notification,
        occurred_at=times.occurred_at(record),
        received_at=times.received_at,
        address=wire.normalise_address(record.recipient)[: _room(BlockEvent, "address")],
        **columns,
    )


def notification(
    sent: wire.Notification, received_at: datetime, source: str, *, new: int, repeated: int, rejected: int
) -> Notification:
    """What came together as counts; its key begins with the time of receipt."""
    return Notification(
        id=wire.time_key(int(received_at.timestamp() * 1000)),
        received_at=stored(received_at),
        source=source,
        event_type=sent.event_type[: _room(Notification, "event_type")],
        server_composition=sent.server_composition[: _room(Notification, "server_composition")],
        new=new,
        repeated=repeated,
        rejected=rejected,
    )


def rejected_event(sent: wire.Notification, rejection: wire.Rejection, times: Times) -> RejectedEvent:
    """The row of what could not become a record."""
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
    """Turns CMC's clock into stored times: its zone is the project's to say, its faults become our clock."""

    def __init__(self, zone: ZoneInfo, received_at: datetime) -> None:
        self._zone = zone
        self._known: dict[datetime, datetime] = {}
        self.received_at = stored(received_at)

    def occurred_at(self, record: wire.Record) -> datetime:
        created = record.created
        if created is None:
            return self.received_at
        if created.tzinfo:
            return stored(created)
        occurred_at = self._known.get(created)
        if occurred_at is None:
            occurred_at = self._known[created] = stored(created.replace(tzinfo=self._zone))
        return occurred_at


def _columns(model: Any, record: wire.Record) -> tuple[dict[str, Any], dict[str, Any]]:
    """The record's values for the model's own columns, and by CMC's names those that were cut, whole."""
    kind: Any = type(record)
    columns, cut = {}, {}
    for name, room in _shared(model, kind):
        value = columns[name] = getattr(record, name)
        if room is not None and len(value) > room:
            columns[name], cut[_wire_names(kind)[name]] = value[:room], value
    return columns, cut


def _differing(record: wire.MailRecord, mail: Mail) -> dict[str, str]:
    """By CMC's names, what this event says of its mail that the mail's row does not."""
    kind: Any = type(record)
    differing = {
        _wire_names(kind)[name]: value
        for name in _MAIL_TEXTS
        if (value := getattr(record, name)) and value != getattr(mail, name)
    }
    if record.server_composition != mail.server_composition:
        differing["server_composition"] = record.server_composition
    return differing


@cache
def _shared(model: Any, record_type: Any) -> tuple[tuple[str, int | None], ...]:
    """The columns that are filled from a record's field of the same name, each with its room."""
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
