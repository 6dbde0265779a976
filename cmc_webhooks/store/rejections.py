"""Events that could not be stored, kept as text."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from cmc_webhooks.models import RejectedEvent
from cmc_webhooks.store.sets import by_key, upsert

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

logger = logging.getLogger(__name__)

MAX_OPEN_REJECTIONS = 10_000
# Equal in every row with one key, so that setting it again changes nothing.
_SAME = "event_type"


def reject(using: str, rejections: Iterable[RejectedEvent]) -> None:
    """Keep these rejected events; those known already stay as they are, and a flood is only logged."""
    ordered = by_key({rejection.pk: rejection for rejection in rejections}.values())
    if not ordered:
        return
    still_open = RejectedEvent._default_manager.using(using).filter(resolved_at=None)
    if still_open[: MAX_OPEN_REJECTIONS + 1].count() >= MAX_OPEN_REJECTIONS:
        logger.warning(
            "%d rejected events are open: no more are kept",
            MAX_OPEN_REJECTIONS,
            extra={"cmc_event": "rejections_full", "dropped": len(ordered)},
        )
        return
    upsert(using, ordered, [_SAME])


def resolve(using: str, rejected: RejectedEvent, moment: datetime) -> None:
    """Note that a rejected event was read and stored after all."""
    RejectedEvent._default_manager.using(using).filter(pk=rejected.pk).update(resolved_at=moment)
