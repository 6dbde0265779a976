"""Periodic maintenance: send pending signals, roll up statistics.

`cmc_dispatch` and the task `send_pending_signals` call `run`. A site with neither is maintained by its web
processes: each calls `run_if_due` after its answers.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from django.utils.module_loading import import_string

from cmc_webhooks import dispatch, feed, logs
from cmc_webhooks.conf import app_settings
from cmc_webhooks.db import transactions
from cmc_webhooks.dispatch import outbox
from cmc_webhooks.models import routing
from cmc_webhooks.statistics import rollup

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run", "run_if_due", "run_or_wake", "wake_worker"]

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 60.0
"""The shortest time between two runs by the same web process."""

_last_run_at = time.monotonic()


def run(
    using: str | None = None,
    *,
    seconds: float = float("inf"),
    stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[dispatch.SweepResult], Any] = lambda done: None,
) -> dispatch.SweepResult:
    """Send the pending signals that are due, number changes for the feed, and roll up changed statistics.

    Any number of processes may run it concurrently. `using` is the alias of the app's database. `seconds`
    limits each of the three parts; the rest is left to the next run. Return the numbers of signals that were
    `sent`, that `failed`, and that are now `dead`. `progress` is called with the same numbers for each row.

    Raises:
        transactions.Unavailable: the database is unavailable.
    """
    using = using or routing.write_alias()
    swept = dispatch.sweep(using, seconds=seconds, stopped=stopped, progress=progress)
    if not stopped():
        feed.number_changes(using, seconds=seconds)
        try:
            rollup.roll_up(using, seconds=seconds)
        except transactions.Unstorable as error:
            logger.exception(
                "The counts could not be rolled up",
                exc_info=logs.without_text(error),
                extra={"cmc_event": "counts_failed"},
            )
    return swept


def run_if_due() -> None:
    """Run maintenance if this process has not done so for a minute. Call it after the answer is sent.

    Rolling up the statistics of a day may take the database long.
    """
    if _is_due():
        run_or_wake(routing.write_alias())


def run_or_wake(using: str) -> None:
    """Run maintenance, two seconds for each part. In the deferred mode, wake a worker to do it instead."""
    try:
        with transactions.savepoints():
            if app_settings.is_deferred:
                wake_worker()
            else:
                run(using, seconds=outbox.BUDGET_SECONDS)
    except Exception as error:  # the notification is stored: a failure here must not change its response
        if transactions.is_broken():
            raise
        logger.exception(
            "Periodic maintenance failed",
            exc_info=logs.without_text(error),
            extra={"cmc_event": "maintenance_failed"},
        )


def wake_worker() -> None:
    """Ask a worker to look into the outbox. A lost request delays signals but loses none.

    Call the project's own function if `DISPATCH` names one, else enqueue the app's task.
    """
    # Imported by path: the package of tasks is an extra on Django 5.2, and tasks import this module
    wake_up = app_settings.wake_up or import_string("cmc_webhooks.tasks.send_pending_signals").enqueue
    wake_up()


def _is_due() -> bool:
    """Return True at most once per minute per process."""
    global _last_run_at
    now = time.monotonic()
    if now - _last_run_at < INTERVAL_SECONDS:
        return False
    _last_run_at = now
    return True
