"""Frame -> notification: the records in it, and what could not become one."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cmc_webhooks.wire import body, keys
from cmc_webhooks.wire.records import BadRecord, Record, as_json, as_text
from cmc_webhooks.wire.text import clean, one_line, replace_astral

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

MAX_RAW_BYTES = 64 * 1024


class TooManyEvents(ValueError):
    """A notification holds more events than are taken at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One item that could not become a record: its text without API keys, where it stood, and why."""

    key: UUID
    position: int
    raw: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """The content of one POST, in the order it was sent."""

    event_type: str
    server_composition: str
    records: tuple[Record, ...]
    rejections: tuple[Rejection, ...]


def read(frame: body.Frame, record_types: Mapping[str, type[Record]], max_events: int) -> Notification:
    """The records of a frame. Items of a type that `record_types` does not name are all rejections.

    Raises:
        BadBody: there is no event type, or no list of events where it should be.
        TooManyEvents: there are more than `max_events`.
    """
    event_type = _frame_text(frame.event_type, "event_type")
    if not event_type:
        raise body.BadBody("event_type is missing")
    server_composition = _frame_text(frame.server_composition, "server_composition")
    items = _items(body.load_event(frame.event), event_type)
    if len(items) > max_events:
        raise TooManyEvents(f"event.{event_type[:32]} has {len(items)} events, more than {max_events}")
    record_type = record_types.get(event_type)
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
    )


def reject(sent: Notification, record: Record, error: str) -> Rejection:
    """The rejection of a record that proved impossible to store; its text is ASCII, which any table takes."""
    raw = json.dumps(record.as_sent())
    return Rejection(
        key=keys.rejection_key(sent.event_type, sent.server_composition, raw),
        position=record.position,
        raw=raw[:MAX_RAW_BYTES],
        error=f"event.{sent.event_type[:32]}[{record.position}]: {error}",
    )


def frame_within_bmp(sent: Notification) -> Notification:
    """The notification, its records and keys unchanged, for tables in a 3-byte charset."""
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


def _items(event: Any, event_type: str) -> list[Any]:
    place = f"event.{event_type[:32]}"
    if event is None:
        raise body.BadBody("event is missing")
    if not isinstance(event, dict):
        raise body.BadBody("event is not an object")
    if isinstance(event, body.Ambiguous):
        raise body.BadBody("ambiguous: event gives a name twice")
    lists = {_clean_name(name): value for name, value in event.items() if isinstance(value, list)}
    events = lists.pop(event_type, None)
    if events is None:
        raise body.BadBody(f"{place} is not a list")
    if any(lists.values()):
        raise body.BadBody(f"ambiguous: event holds other lists beside {place}")
    return events


def _clean_name(text: str) -> str:
    return one_line(clean(text)).strip()


def _rejection(
    frame: body.Frame, event_type: str, server_composition: str, position: int, item: Any, error: str
) -> Rejection:
    raw = as_json(item)
    if isinstance(frame.api_key, str) and frame.api_key:
        raw = raw.replace(json.dumps(clean(frame.api_key), ensure_ascii=False)[1:-1], "[api_key]")
    return Rejection(
        key=keys.rejection_key(event_type, server_composition, raw),
        position=position,
        raw=raw.encode()[:MAX_RAW_BYTES].decode(errors="ignore"),
        error=f"event.{event_type[:32]}[{position}]: {error}",
    )
