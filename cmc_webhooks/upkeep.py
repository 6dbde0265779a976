"""What has to be seen to from time to time: signals that are owed, counts that are rolled up."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from cmc_webhooks import dispatch, durable, statistics, store

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run"]

logger = logging.getLogger(__name__)


def run(
    using: str | None = None,
    *,
    seconds: float = float("inf"),
    stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[dispatch.Swept], Any] = lambda done: None,
) -> dispatch.Swept:
    """Send what is owed and due, then roll up what changed; any number of processes may do so.

    `using` is the alias of the app's database. `seconds` bounds each of the two; what is left is for the
    next time. Returned are the numbers of signals that were `sent`, `failed` and are `dead` now, which
    `progress` is told of meanwhile.

    Raises:
        durable.Unavailable: the database gave way.
    """
    using = using or store.alias()
    swept = dispatch.sweep(using, seconds=seconds, stopped=stopped, progress=progress)
    if not stopped():
        try:
            statistics.roll_up(using, seconds=seconds)
        except durable.Unstorable:
            logger.exception("The counts could not be rolled up", extra={"cmc_event": "counts_failed"})
    return swept
