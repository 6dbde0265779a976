"""Read rejected events again, after an upgrade or with other settings."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from cmc_webhooks import event_types, ingest, rows, selection, store, wire

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
    """
    resolved = rejected = 0
    for chunk in selection.in_chunks(chosen.filter(resolved_at=None)):
        for row in chunk:
            if _is_readable(row) and (dry_run or _store(row)):
                resolved += 1
                if not dry_run:
                    store.resolve(using, row, rows.stored(datetime.now(UTC)))
            else:
                rejected += 1
        progress(len(chunk))
    return Retried(resolved, rejected)


def _frame(row: RejectedEvent) -> wire.Frame | None:
    """The notification that held this event alone; None if its text was cut or is no JSON."""
    try:
        item = json.loads(row.raw)
    except ValueError:
        return None
    return wire.Frame(
        event_type=row.event_type, server_composition=row.server_composition, event={row.event_type: [item]}
    )


def _is_readable(row: RejectedEvent) -> bool:
    frame = _frame(row)
    return frame is not None and bool(wire.read(frame, event_types.RECORD_TYPES, 1).records)


def _store(row: RejectedEvent) -> bool:
    frame = _frame(row)
    receipt = ingest.receive(frame, received_at=rows.aware(row.received_at)) if frame else None
    return receipt is not None and not receipt.rejected
