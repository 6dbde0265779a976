"""The problems of the health that raise alerts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from cmc_webhooks.models import Alert, RefusalCount
from cmc_webhooks.monitoring import health
from cmc_webhooks.monitoring.refusals import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Problem", "current", "examples"]

_KINDS: Mapping[str, Alert.Kinds] = {
    "dead_signals": Alert.Kinds.DEAD,
    "rejected_events": Alert.Kinds.REJECTED,
    "silence": Alert.Kinds.SILENCE,
    "future": Alert.Kinds.FUTURE,
    "refused_calls": Alert.Kinds.REFUSED,
}
"""Kinds of alerts by the code of the problem.

Late signals raise none: the process that is missing then would have to send it.
"""


class Problem(NamedTuple):
    """A kind of `Alert`, and what health says of it, in the active language."""

    kind: str
    sentence: str


def current(using: str) -> list[Problem]:
    """Return the current problems, at most one of each kind, in the queries of `health.look`.

    Raises:
        transactions.Unavailable: the database is unavailable.
    """
    return _alerting(health.look(using))


def examples() -> list[Problem]:
    """Return a problem of each kind, in the active language, with invented numbers."""
    now = datetime.now(UTC)
    hour, silent = timedelta(hours=1), timedelta(hours=7)
    refused = Refused(403, RefusalCount.Reasons.API_KEY.value, 37, now - hour, now)
    invented = health.Health(
        pending=0,
        oldest_pending=None,
        dead=3,
        rejected=1,
        last_notification=now - silent,
        silence=silent.total_seconds(),
        silence_limit=(6 * hour).total_seconds(),
        future=1,
        refused=(refused,),
    )
    return _alerting(invented)


def _alerting(now: health.Health) -> list[Problem]:
    return [Problem(_KINDS[each.code].value, each.text) for each in now.found() if each.code in _KINDS]
