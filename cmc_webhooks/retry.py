"""Read rejected events again, after an upgrade or with other settings."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from cmc_webhooks import durable, event_types, ingest, rows, selection, store, wire
from cmc_webhooks.models import Notification

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet

    from cmc_webhooks.models import RejectedEvent

__all__ = ["Retried", "retry"]


class Retried(NamedTuple):
    """How many rejected events became events, and how many still cannot."""

    resolved: int = 0
    rejected: int = 0


def retry(
    using: str,
    chosen: QuerySet[RejectedEvent],
    *,
    dry_run: bool = False,
    progress: Callable[[int], Any] = lambda done: None,
) -> Retried:
    """Store those of these open rejected events that can be read now, as if they arrived when they did.

    With `dry_run` they are read only. What an event of this kind makes known already counts as resolved.
    May be run again after an interruption.

    Raises:
        durable.Unavailable: the database gave way; what was stored before stays so.
    """
    resolved = rejected = 0
    for chunk in selection.in_chunks(chosen.filter(resolved_at=None)):
        for row in chunk:
            if _is_readable(row) and (dry_run or _store(row)):
                resolved += 1
                if not dry_run:
                    durable.run(using, partial(store.resolve, using, row, rows.stored(datetime.now(UTC))))
            else:
                rejected += 1
            progress(1)
    return Retried(resolved, rejected)


def _frame(row: RejectedEvent) -> wire.Frame:
    """The notification that held this event alone. Its text is read as it was: a name given twice is seen."""
    event = f"{{{json.dumps(row.event_type)}: [{row.raw}]}}"
    return wire.Frame(event_type=row.event_type, server_composition=row.server_composition, event=event)


def _is_readable(row: RejectedEvent) -> bool:
    try:
        return bool(wire.read(_frame(row), event_types.RECORD_TYPES, 1).records)
    except (wire.BadBody, wire.TooManyEvents):  # its text was cut
        return False


def _store(row: RejectedEvent) -> bool:
    receipt = ingest.receive(
        _frame(row), received_at=rows.aware(row.received_at), source=Notification.Sources.RETRY.value
    )
    return not receipt.rejected
