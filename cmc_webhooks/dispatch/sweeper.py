"""The sweep: send pending signals. It may run in any process; each row is claimed by one of them."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from cmc_webhooks import wire
from cmc_webhooks.db import transactions
from cmc_webhooks.dispatch import calls, retries
from cmc_webhooks.dispatch.outbox import LEASE_MS, SweepResult, send_row
from cmc_webhooks.store import outbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmc_webhooks.models import PendingSignal

__all__ = ["sweep"]

LEASE_RESERVE_MS = 30_000


def sweep(
    using: str,
    *,
    seconds: float = float("inf"),
    stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[SweepResult], Any] = lambda done: None,
) -> SweepResult:
    """Send pending signals that are due until none is left, `seconds` have passed or `stopped()` is true.

    Any number of sweeps may run concurrently, on any number of machines: each row is claimed by one of them.
    `progress` is called with the result of each row. The result of the whole sweep is returned.

    Raises:
        transactions.Unavailable: the database is unavailable. Signals sent before may be sent again, once.
    """
    deadline = time.monotonic() + seconds
    swept = SweepResult()
    while time.monotonic() < deadline and not stopped():
        row = transactions.run(using, partial(outbox.claim, using, calls.now_ms(), LEASE_MS))
        if row is None:
            break
        done = _sweep_row(using, row, deadline, stopped)
        progress(done)
        swept = swept.plus(done)
    return swept


def _sweep_row(using: str, row: PendingSignal, deadline: float, stopped: Callable[[], bool]) -> SweepResult:
    if row.attempts > retries.MAX_ATTEMPTS:  # no process that claimed it ever completed it
        dead = retries.after(row, _killed(row))
        transactions.run(using, partial(outbox.complete, using, row, dead))
        return SweepResult(dead=len(row.items))
    if row.attempts > 1 and len(row.items) > 1:
        # One of its signals may have killed the process: split them, so that each has its own attempts.
        born = wire.key_ms(row.pk)
        apart = [
            calls.new_row(
                [item],
                born,
                calls.now_ms(),
                n,
                row.attempts - 1,
                last_error=row.last_error,
                receivers=row.receivers,
                failures=row.failures,
                replay=row.replay,
            )
            for n, item in enumerate(row.items)
        ]
        transactions.run(using, partial(outbox.complete, using, row, apart))
        return SweepResult()
    lease_ends = time.monotonic() + (LEASE_MS - LEASE_RESERVE_MS) / 1000
    its_calls = transactions.run(using, partial(calls.load, using, row.facts))
    still_pending, swept = send_row(using, row, its_calls, min(deadline, lease_ends), stopped)
    transactions.run(using, partial(outbox.complete, using, row, still_pending))
    return swept


def _killed(row: PendingSignal) -> list[retries.FailedCall]:
    """Return the calls of a row that no process has completed."""
    error = row.last_error or "Killed"
    return [retries.FailedCall(item, error, row.failures) for item in row.items]
