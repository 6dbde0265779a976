"""Reprocessing of rejected events, after an upgrade or with other settings."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from cmc_webhooks import audit, event_types, ingest, timezones, wire
from cmc_webhooks.conf import app_settings
from cmc_webhooks.db import chunks, transactions
from cmc_webhooks.models import Notification, Trail
from cmc_webhooks.models.notifications import IS_OPEN
from cmc_webhooks.store import rejections

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet

    from cmc_webhooks.models import RejectedEvent

__all__ = ["Retried", "dismiss", "retry"]

LISTED = "rejectedevent"
"""The name of these rows in `Trail.details` and in the log."""


class Retried(NamedTuple):
    """The numbers of rejected events that became events, and of those that are still rejected."""

    resolved: int = 0
    rejected: int = 0


def retry(
    using: str,
    chosen: QuerySet[RejectedEvent],
    *,
    dry_run: bool = False,
    progress: Callable[[int], Any] = lambda done: None,
) -> Retried:
    """Store those of these rejected events that can be read now, with their original time of receipt.

    Those that were resolved are left out; dismissed ones are not. With `dry_run`, they are only read. An
    event that is already stored counts as resolved. After an interruption, it may be run again.

    Raises:
        transactions.Unavailable: the database is unavailable. What was stored before stays stored.
    """
    resolved = rejected = 0
    for chunk in chunks.in_chunks(chosen.filter(resolved_at=None)):
        for row in chunk:
            if _is_readable(row) and (dry_run or _store(row)):
                resolved += 1
                if not dry_run:
                    transactions.run(
                        using, partial(rejections.resolve, using, row, timezones.to_stored(datetime.now(UTC)))
                    )
            else:
                rejected += 1
            progress(1)
    return Retried(resolved, rejected)


def dismiss(
    using: str,
    chosen: QuerySet[RejectedEvent],
    actor: audit.Actor,
    *,
    progress: Callable[[int], Any] = lambda done: None,
    **details: Any,
) -> int:
    """Dismiss those of these rejected events that are open. Return their number.

    They stay stored with their text, and may still be reprocessed. `actor` and `details` are recorded, see
    `Trail`.

    Raises:
        transactions.Unavailable: the database is unavailable. The chunks before are dismissed.
    """
    begun = partial(audit.begin, Trail.Actions.DISMISSED, actor, using=using, list=LISTED, **details)
    record = transactions.run(using, begun)
    moment = timezones.to_stored(datetime.now(UTC))
    done = 0
    with record:
        for chunk in chunks.in_chunks(chosen.filter(IS_OPEN).only("pk")):
            keys = [row.pk for row in chunk]
            number = transactions.run(using, partial(rejections.dismiss, using, keys, moment, record.key))
            record.add(number)
            done += number
            progress(number)
    return done


def _frame(row: RejectedEvent) -> wire.Frame:
    """Return a notification with this event alone. Its text is unchanged, so duplicate names are detected.

    A row without an event type is a whole notification.

    Raises:
        BadBody, UnsupportedCharset: such a row is still not a notification.
    """
    if not row.event_type:
        return wire.decode(row.raw.encode())
    event = f"{{{json.dumps(row.event_type)}: [{row.raw}]}}"
    return wire.Frame(event_type=row.event_type, server_composition=row.server_composition, event=event)


def _is_readable(row: RejectedEvent) -> bool:
    try:
        most = 1 if row.event_type else app_settings.max_events
        return bool(wire.read(_frame(row), event_types.RECORD_TYPES, most).records)
    except (wire.BadBody, wire.TooManyEvents, wire.UnsupportedCharset):  # its text was cut
        return False


def _store(row: RejectedEvent) -> bool:
    """Store what a row holds, and return whether that settles it.

    A whole notification is settled even if some of its events cannot be read: these are rows of their own.
    """
    receipt = ingest.receive(
        _frame(row), received_at=timezones.to_aware(row.received_at), source=Notification.Sources.RETRY.value
    )
    return not (row.event_type and receipt.rejected)
