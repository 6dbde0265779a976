"""The longest usual silence from CMC for this project, learnt from its past notifications."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Subquery

from cmc_webhooks import timezones
from cmc_webhooks.conf import app_settings
from cmc_webhooks.db import transactions
from cmc_webhooks.models import Notification

if TYPE_CHECKING:
    from django.db.models import QuerySet

__all__ = ["SHORTEST", "forget", "learn"]

SHORTEST = 6 * 3600.0
"""Seconds. The learnt limit is never below this."""
PERIOD = timedelta(days=14)
STEP = timedelta(hours=3)
"""The past is sampled at this interval, so each silence may have been longer by as much."""
FEWEST = timedelta(days=7)
"""What must be known of the period where retention has removed the rest of it."""
LONGEST = timedelta(days=1)
"""After a longer silence in the period, the traffic is not steady."""
FACTOR = 2


KEPT_SECONDS = 600.0
"""Maximum time for which a process keeps what it has learnt while no further notification comes."""


class _Learnt(NamedTuple):
    """What a process has learnt: from which notification and setting, when (monotonic), and the limit."""

    last: datetime
    days: int | None
    at: float
    limit: float | None


_learnt: dict[str, _Learnt] = {}
"""By database. Learning costs much more than reading the time of the latest notification."""


def learn(using: str) -> float | None:
    """Return the seconds of silence that are unusual, None if the traffic of the past was not steady.

    The traffic was steady if there was no day without a notification in the 14 days before the latest one, or
    in those of them that `RETENTION` leaves, at least seven. The limit is twice the longest silence of these
    days, at least six hours. Two queries, of which the second reads 112 rows by an index. It is not repeated
    for ten minutes while no further notification comes.

    Raises:
        transactions.Unavailable: the database is unavailable.
    """
    return transactions.run(using, partial(_learn, using))


def _learn(using: str) -> float | None:
    last = _before(using, datetime.now(UTC)).values_list("received_at", flat=True).first()
    if last is None:
        return None
    days, now = app_settings.retention.get("notifications"), time.monotonic()
    known = _learnt.get(using)
    if known is None or (known.last, known.days) != (last, days) or now - known.at >= KEPT_SECONDS:
        known = _learnt[using] = _Learnt(last, days, now, _limit(using, last))
    return known.limit


def forget() -> None:
    """Drop what this process has learnt."""
    _learnt.clear()


def _limit(using: str, last: datetime) -> float | None:
    """Return the limit that the notifications before the latest one suggest."""
    moments = [timezones.to_aware(last) - STEP * number for number in range(1, PERIOD // STEP + 1)]
    latest: dict[str, Any] = {
        f"at_{number}": Subquery(_before(using, moment).values("received_at")[:1])
        for number, moment in enumerate(moments)
    }
    everything: Any = Notification._default_manager.using(using)
    row = next(iter(everything.order_by().values(**latest)[:1]), None)
    posted = [row[name] for name in latest] if row else []
    known = posted.index(None) if None in posted else len(posted)
    if known < len(moments) and not (known * STEP >= FEWEST and _is_pruned(moments[known])):
        return None
    pairs = zip(moments[:known], posted[:known], strict=True)
    silences = [moment - timezones.to_aware(latest) for moment, latest in pairs]
    longest = max(silences)
    if longest > LONGEST:
        return None
    return max(SHORTEST, FACTOR * (longest + STEP).total_seconds())


def _is_pruned(moment: datetime) -> bool:
    """Return whether retention may have removed what CMC posted in the day before a time."""
    days = app_settings.retention.get("notifications")
    return days is not None and moment - LONGEST <= datetime.now(UTC) - timedelta(days=days)


def _before(using: str, moment: datetime) -> QuerySet[Notification]:
    """Return the notifications that CMC posted until a time, the latest first."""
    posted = Notification._default_manager.using(using).filter(
        source=Notification.Sources.WEBHOOK, received_at__lte=timezones.to_stored(moment)
    )
    return posted.order_by("-received_at")
