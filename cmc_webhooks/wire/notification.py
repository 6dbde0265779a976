"""Frame -> notification: its records, and the items that could not become one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cmc_webhooks.wire import body, keys
from cmc_webhooks.wire.records import BadRecord, Record, as_json, as_text, ascii_json, json_text
from cmc_webhooks.wire.text import BLANKS, clean, one_line, replace_astral, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

MAX_RAW_BYTES = 64 * 1024


class TooManyEvents(ValueError):
    """A notification holds more events than are accepted at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One item that could not become a record: its text without API keys, its position, and the error."""

    key: UUID
    position: int
    raw: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """The content of one POST, in the order it was sent.

    `beside` are the other lists of events that it holds, each as a notification of that type. `items` are the
    events as they were sent, which may hold API keys.
    """

    event_type: str
    server_composition: str
    records: tuple[Record, ...]
    rejections: tuple[Rejection, ...]
    beside: tuple[Notification, ...] = ()
    api_key: Any = field(default=None, repr=False, compare=False)
    items: Sequence[Any] = field(default=(), repr=False, compare=False)


def read(frame: body.Frame, record_types: Mapping[str, type[Record]], max_events: int) -> Notification:
    """Return the content of a frame. All items of a type that `record_types` does not name are rejections.

    Raises:
        BadBody: the event type or the list of events is missing or malformed, or the frame is ambiguous.
        TooManyEvents: there are more than `max_events` events, those of all lists counted.
    """
    event_type = _frame_text(frame.event_type, "event_type").strip(BLANKS)
    if not event_type:
        raise body.BadBody("event_type is missing")
    server_composition = _frame_text(frame.server_composition, "server_composition")
    lists = _lists(body.load_event(frame.event), event_type)
    for name, items in lists.items():
        if len(items) > max_events:
            raise TooManyEvents(f"{_place(name)} has {len(items)} events, more than {max_events}")
    if (events := sum(map(len, lists.values()))) > max_events:
        raise TooManyEvents(f"event has {events} events in {len(lists)} lists, more than {max_events}")
    sent, *beside = [
        _notification(frame, name, server_composition, items, record_types.get(name))
        for name, items in lists.items()
    ]
    return replace(sent, beside=tuple(beside)) if beside else sent


def _notification(
    frame: body.Frame,
    event_type: str,
    server_composition: str,
    items: list[Any],
    record_type: type[Record] | None,
) -> Notification:
    records: list[Record] = []
    rejections: list[Rejection] = []
    for position, item in enumerate(items):
        try:
            if record_type is None:
                raise BadRecord("an event type that this version does not know")
            records.append(record_type.of(event_type, server_composition, position, item))
        except BadRecord as error:
            rejections.append(_rejection(frame, event_type, server_composition, position, item, str(error)))
    return Notification(
        event_type=event_type,
        server_composition=server_composition,
        records=tuple(records),
        rejections=tuple(rejections),
        api_key=frame.api_key,
        items=items,
    )


def reject(sent: Notification, record: Record, error: str) -> Rejection:
    """Return the rejection of a record that cannot be stored. Its text is ASCII, which fits any table."""
    raw = ascii_json(_raw(sent.api_key, sent.items[record.position]))
    return Rejection(
        key=keys.rejection_key(sent.event_type, sent.server_composition, raw),
        position=record.position,
        raw=raw[:MAX_RAW_BYTES],
        error=f"{_place(sent.event_type)}[{record.position}]: {error}",
    )


def replace_astral_in_frame(sent: Notification) -> Notification:
    """Return the notification for tables in a 3-byte charset, with its records and keys unchanged."""
    return replace(
        sent,
        event_type=replace_astral(sent.event_type),
        server_composition=replace_astral(sent.server_composition),
        rejections=tuple(
            replace(each, raw=replace_astral(each.raw), error=replace_astral(each.error))
            for each in sent.rejections
        ),
    )


def _frame_text(value: Any, name: str) -> str:
    if isinstance(value, dict | list):
        raise body.BadBody(f"{name} is not text")
    return _clean_name(as_text(value) or "")


def _lists(event: Any, event_type: str) -> dict[str, list[Any]]:
    """Return the lists of an event by their cleaned names: first that of its type, then others with items."""
    if event is None:
        raise body.BadBody("event is missing")
    if not isinstance(event, dict):
        raise body.BadBody("event is not an object")
    found: dict[str, list[Any]] = {event_type: []}
    of_type = 0
    for name, value in event.pairs if isinstance(event, body.Ambiguous) else event.items():
        cleaned = _clean_name(name).strip(BLANKS)
        of_type += cleaned == event_type
        if isinstance(value, list) and (value or cleaned == event_type):
            found.setdefault(cleaned, []).extend(value)
        elif cleaned == event_type:
            raise body.BadBody(f"{_place(event_type)} is not a list")
    if not of_type:
        raise body.BadBody(f"{_place(event_type)} is not a list")
    if of_type > 1:
        raise body.BadBody(f"ambiguous: {_place(event_type)} is given twice")
    return found


def _place(event_type: str) -> str:
    return f"event.{shown(event_type)}"


def _clean_name(text: str) -> str:
    return one_line(clean(text)).strip()


def _rejection(
    frame: body.Frame, event_type: str, server_composition: str, position: int, item: Any, error: str
) -> Rejection:
    raw = _raw(frame.api_key, item)
    return Rejection(
        key=keys.rejection_key(event_type, server_composition, raw),
        position=position,
        raw=raw.encode()[:MAX_RAW_BYTES].decode(errors="ignore"),
        error=f"{_place(event_type)}[{position}]: {error}",
    )


def _raw(api_key: Any, item: Any) -> str:
    """Return the JSON of an event as it was sent, without API keys."""
    raw = as_json(item)
    if isinstance(api_key, str) and api_key:
        raw = raw.replace(json_text(api_key)[1:-1], "[api_key]")
    return raw
