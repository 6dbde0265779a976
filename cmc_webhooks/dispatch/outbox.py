"""Transactional outbox: each signal is sent, pending or dead, never lost.

Calls are written to the outbox in the transaction of the events, sent when it is committed, and deleted when
the receivers have returned. If a receiver raises, the others still run. The call stays pending, and a retry
calls only the receivers that failed, see `receivers`. A sweep, in any process, sends the signals that stayed
pending.
"""

from __future__ import annotations

import logging
import time
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

from django.db import connections
from django.db.transaction import TransactionManagementError

from cmc_webhooks import signals
from cmc_webhooks.db import transactions
from cmc_webhooks.dispatch import calls, receivers, retries
from cmc_webhooks.models import PendingSignal
from cmc_webhooks.store import outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["BUDGET_SECONDS", "EnqueuedRow", "SweepResult", "enqueue", "send", "send_row"]

logger = logging.getLogger(__name__)

CALLS_PER_ROW = 25
LEASE_MS = 300_000
BUDGET_SECONDS = 2.0


class EnqueuedRow(NamedTuple):
    """A row of the outbox and its calls. A call is None if its event or its mail was deleted."""

    row: PendingSignal
    calls: Sequence[calls.Call | None]


class SweepResult(NamedTuple):
    """The numbers of signals that a sweep sent, that failed and will be retried, and that are now dead."""

    sent: int = 0
    failed: int = 0
    dead: int = 0

    def __str__(self) -> str:
        return f"sent {self.sent}, failed {self.failed}, dead {self.dead}"

    def plus(self, other: SweepResult) -> SweepResult:
        """Return the sums of two results."""
        return SweepResult(self.sent + other.sent, self.failed + other.failed, self.dead + other.dead)


def enqueue(
    using: str, wanted: Sequence[calls.Call], *, leased: bool, replay: bool = False
) -> list[EnqueuedRow]:
    """Insert signal calls into the outbox, inside the caller's transaction, and return the rows.

    With `leased`, the caller sends the rows itself. Otherwise the next sweep claims them. `replay` is the
    argument that receivers get: whether a person has the signals sent again.
    """
    now = calls.now_ms()
    lease, attempts = (LEASE_MS, 1) if leased else (0, 0)
    enqueued = []
    for sequence, start in enumerate(range(0, len(wanted), CALLS_PER_ROW)):
        some = wanted[start : start + CALLS_PER_ROW]
        row = calls.new_row(
            [call.item() for call in some],
            now,
            now + lease,
            sequence,
            attempts,
            receivers=calls.expected(some),
            replay=replay,
        )
        enqueued.append(EnqueuedRow(row, some))
    outbox.enqueue(using, [row for row, _ in enqueued])
    return enqueued


def send(using: str, enqueued: Iterable[EnqueuedRow]) -> None:
    """Send the rows that the caller leased, in order, outside any transaction.

    Calls beyond the budget of two seconds stay pending. Each row is deleted before the next one is sent: if
    the process is killed, the calls of one row are repeated, and no others.
    """
    deadline = time.monotonic() + BUDGET_SECONDS
    for row, its_calls in enqueued:
        still_pending, _ = send_row(using, row, its_calls, deadline)
        outbox.complete(using, row, still_pending)


def send_row(
    using: str,
    row: PendingSignal,
    its_calls: Sequence[calls.Call | None],
    deadline: float,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[list[PendingSignal], SweepResult]:
    """Send a row's calls until the deadline or `stopped()`. Return the rows to replace it, and the result."""
    find = cache(lambda signal, sender: receivers.connected(getattr(signals, signal), sender))
    was_idle = transactions.is_idle(connections[using])
    fault = partial(_open_transaction, connections[using], was_idle=was_idle)
    failed: list[retries.FailedCall] = []
    sent = 0
    for item, call in zip(row.items, its_calls, strict=True):
        if time.monotonic() >= deadline or stopped():
            break
        sent += 1
        if call is None:
            failed.append(retries.FailedCall(item, "DoesNotExist", row.failures))
        elif failures := _send_call(row, call, find(call.signal, call.sender), fault):
            kept = [failure._asdict() for failure in failures]
            failed.append(retries.FailedCall(item, failures[0].error, kept))
    if sent and was_idle:
        transactions.end_unseen(connections[using])
    singles = retries.after(row, failed)
    dead = sum(single.state == PendingSignal.States.DEAD for single in singles)
    return _given_back(row, sent) + singles, SweepResult(sent - len(failed), len(failed) - dead, dead)


def _send_call(
    row: PendingSignal,
    call: calls.Call,
    connected: Sequence[receivers.Receiver],
    fault: Callable[[str], Exception | None],
) -> list[receivers.Failure]:
    """Call the receivers that a row asks for, and return the failures."""
    failed = [failure["receiver"] for failure in row.failures]
    chosen, missing = receivers.choose(connected, row.receivers.get(calls.key_of(call), ()), failed)
    return calls.send(call, chosen, replay=row.replay, fault=partial(fault, call.signal)) + missing


def _given_back(row: PendingSignal, sent: int) -> list[PendingSignal]:
    """Return a row for the calls that were not reached, due at once as if it had not been claimed."""
    if sent >= len(row.items):
        return []
    return [
        PendingSignal(
            id=row.pk,
            items=row.items[sent:],
            available_at=calls.now_ms(),
            attempts=row.attempts - 1,
            last_error=row.last_error,
            receivers=row.receivers,
            failures=row.failures,
            replay=row.replay,
        )
    ]


def _open_transaction(connection: BaseDatabaseWrapper, signal: str, *, was_idle: bool) -> Exception | None:
    """Roll back a transaction that a receiver left open, and return the error that it counts as."""
    if not was_idle or transactions.is_idle(connection):
        return None
    transactions.discard_connection(connection)
    logger.error(
        "A receiver of %s left a transaction open: it is rolled back",
        signal,
        extra={"cmc_event": "transaction_left_open", "signal": signal},
    )
    return TransactionManagementError(signal)
