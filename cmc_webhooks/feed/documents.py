"""Rows of the change feed as JSON objects, with the names and the values of the API."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cmc_webhooks import timezones
from cmc_webhooks.bounce_codes import bounce_class
from cmc_webhooks.models import BlockEvent, Mail, Suppression

if TYPE_CHECKING:
    from cmc_webhooks.feed.reading import Entry

__all__ = ["as_dict"]

_OF_MAIL = (
    *("id", "message_id", "recipient", "address", "header_from", "return_path", "subject", "api_data"),
    *("server_composition", "status", "previous_status", "delivery_status", "bounce_code", "bounce_class"),
    *("status_at", "reason", "version", "created_at", "first_event_at", "last_event_at", "erased_at"),
)
_OF_BLOCK = ("id", "address", "server_composition", "occurred_at", "received_at", "bounce_code")
_OF_SUPPRESSION = ("address", "kind", "until", "note", "author", "decided_at")


def as_dict(entry: Entry) -> dict[str, Any]:
    """Return a change for JSON: keys as text, times in ISO 8601 with an offset."""
    row = entry.row
    return {
        "seq": entry.seq,
        "kind": entry.kind,
        "key": str(entry.key),
        "server_composition": entry.server_composition,
        "at": _as_json(entry.at),
        "mail": _fields(row, _OF_MAIL) if isinstance(row, Mail) else None,
        "block": _block(row) if isinstance(row, BlockEvent) else None,
        "suppression": _suppression(row) if isinstance(row, Suppression) else None,
    }


def _block(row: BlockEvent) -> dict[str, Any]:
    of_class = {"bounce_class": bounce_class(row.bounce_code).value}
    return _fields(row, _OF_BLOCK) | of_class | _fields(row, ("occurrences", "raw"))


def _suppression(row: Suppression) -> dict[str, Any]:
    names = {"composition": row.server_composition, "forbidden_by": row.reason}
    return _fields(row, _OF_SUPPRESSION) | names


def _fields(row: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: _as_json(getattr(row, name)) for name in names}


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return timezones.to_local(timezones.to_aware(value)).isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, UUID) else value
