"""Quarantine of events that could not be stored, kept as text."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from cmc_webhooks.models import RejectedEvent
from cmc_webhooks.models.notifications import IS_OPEN
from cmc_webhooks.store.bulk import by_key, upsert

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

logger = logging.getLogger(__name__)

MAX_OPEN_REJECTIONS = 10_000
# The same in every row with the same key, so that setting it again changes nothing.
_SAME = "event_type"


def reject(using: str, rejections: Iterable[RejectedEvent]) -> None:
    """Store these rejected events. Those that are already stored are not changed.

    While there are `MAX_OPEN_REJECTIONS` open ones, no more are stored, and a warning is logged.
    """
    ordered = by_key({rejection.pk: rejection for rejection in rejections}.values())
    if not ordered:
        return
    still_open = RejectedEvent._default_manager.using(using).filter(IS_OPEN)
    if still_open[: MAX_OPEN_REJECTIONS + 1].count() >= MAX_OPEN_REJECTIONS:
        logger.warning(
            "%d rejected events are open: no more are kept",
            MAX_OPEN_REJECTIONS,
            extra={"cmc_event": "rejections_full", "dropped": len(ordered)},
        )
        return
    upsert(using, ordered, [_SAME])


def resolve(using: str, rejected: RejectedEvent, moment: datetime) -> None:
    """Mark a rejected event as resolved: it was read and stored after all."""
    RejectedEvent._default_manager.using(using).filter(pk=rejected.pk).update(resolved_at=moment)


def dismiss(using: str, keys: Sequence[UUID], moment: datetime, dismissal: UUID) -> int:
    """Mark these rejected events as dismissed, except those that are no longer open. Return their number."""
    rejected = RejectedEvent._default_manager.using(using).filter(IS_OPEN, pk__in=keys)
    return rejected.update(dismissed_at=moment, dismissal=dismissal)
