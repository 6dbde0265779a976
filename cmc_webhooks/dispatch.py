"""When signals go out: after the commit, each of them sent, owed or dead, never lost.

Calls are written to the outbox in the transaction of the events, sent when that is committed, and deleted
when the receivers have returned. A receiver that raises stops no other; its call stays owed, and a retry
calls every receiver of that signal again. A sweep sends what was left owed, by whatever process.
"""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connections
from django.db.transaction import TransactionManagementError

from cmc_webhooks import calls, durable, store, wire
from cmc_webhooks.models import PendingSignal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["Owed", "Swept", "is_time_to_heal", "owe", "send", "sweep"]

logger = logging.getLogger(__name__)

CALLS_PER_ROW = 25
LEASE_MS = 300_000
LEASE_RESERVE_MS = 30_000
BUDGET_SECONDS = 2.0
FIRST_PAUSE_MS = 30_000
MAX_ATTEMPTS = 8

SETTLE_SECONDS = 0.05
HEAL_SECONDS = 60.0

_healed_at = time.monotonic()

Failure = tuple[list[Any], str]


class Owed(NamedTuple):
    """A row of the outbox with the calls in it; None for a call whose rows are gone."""

    row: PendingSignal
    calls: Sequence[calls.Call | None]


class Swept(NamedTuple):
    """What a sweep did: signals sent, signals whose receivers raised, signals that died."""

    sent: int = 0
    failed: int = 0
    dead: int = 0

    def __str__(self) -> str:
        return f"sent {self.sent}, failed {self.failed}, dead {self.dead}"

    def plus(self, other: Swept) -> Swept:
        """What two sweeps did."""
        return Swept(self.sent + other.sent, self.failed + other.failed, self.dead + other.dead)


def owe(using: str, wanted: Sequence[calls.Call], *, leased: bool) -> list[Owed]:
    """Write the calls to the outbox, inside the events' transaction.

    A leased row is the caller's to send; others are free to whoever sweeps first.
    """
    now = _now_ms()
    lease, attempts = (LEASE_MS, 1) if leased else (0, 0)
    owed = []
    for sequence, start in enumerate(range(0, len(wanted), CALLS_PER_ROW)):
        some = wanted[start : start + CALLS_PER_ROW]
        row = _row([call.item() for call in some], now, now + lease, sequence, attempts)
        owed.append(Owed(row, some))
    store.owe(using, [row for row, _ in owed])
    return owed


def send(using: str, owed: Iterable[Owed]) -> None:
    """Send the caller's rows, in order, outside any transaction; what exceeds the budget stays owed.

    Rows that were sent are deleted together, twenty times a second: one statement where receivers are quick.
    """
    settled_at = time.monotonic()
    deadline = settled_at + BUDGET_SECONDS
    sent: list[PendingSignal] = []
    try:
        for row, its_calls in owed:
            still_owed, _ = _send_row(using, row, its_calls, deadline)
            if still_owed:
                store.settle(using, row, still_owed)
            else:
                sent.append(row)
            if time.monotonic() >= settled_at + SETTLE_SECONDS:
                store.forget(using, sent)
                sent, settled_at = [], time.monotonic()
    finally:
        store.forget(using, sent)


def is_time_to_heal() -> bool:
    """Whether this process did not ask for a minute; asking counts."""
    global _healed_at
    now = time.monotonic()
    if now - _healed_at < HEAL_SECONDS:
        return False
    _healed_at = now
    return True


def sweep(
    using: str,
    *,
    seconds: float = float("inf"),
    stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[Swept], Any] = lambda done: None,
) -> Swept:
    """Send what is owed and due, until nothing is, the time is over or `stopped()`.

    Any number of sweeps may run at once, on any number of machines: each row is claimed by one of them.
    `progress` is told what was done with each row.

    Raises:
        durable.Unavailable: the database gave way; what was sent before may be sent again, once.
    """
    deadline = time.monotonic() + seconds
    swept = Swept()
    while time.monotonic() < deadline and not stopped():
        row = durable.run(using, partial(store.claim, using, _now_ms(), LEASE_MS))
        if row is None:
            break
        done = _sweep_row(using, row, deadline, stopped)
        progress(done)
        swept = swept.plus(done)
    return swept


def _sweep_row(using: str, row: PendingSignal, deadline: float, stopped: Callable[[], bool]) -> Swept:
    if row.attempts > MAX_ATTEMPTS:  # whoever had it never came back, so often
        store.settle(using, row, _singles(row, [(item, row.last_error or "Killed") for item in row.items]))
        return Swept(dead=len(row.items))
    if row.attempts > 1 and len(row.items) > 1:
        # One of them may have killed its process: each is given a count of its own.
        born = wire.key_ms(row.pk)
        apart = [_row([item], born, _now_ms(), n, row.attempts - 1) for n, item in enumerate(row.items)]
        store.settle(using, row, apart)
        return Swept()
    lease_ends = time.monotonic() + (LEASE_MS - LEASE_RESERVE_MS) / 1000
    its_calls = calls.load(using, row.facts)
    still_owed, swept = _send_row(using, row, its_calls, min(deadline, lease_ends), stopped)
    store.settle(using, row, still_owed)
    return swept


def _send_row(
    using: str,
    row: PendingSignal,
    its_calls: Sequence[calls.Call | None],
    deadline: float,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[list[PendingSignal], Swept]:
    """Send a row's calls until the deadline or `stopped()`; rows for what is still owed, what was done."""
    connection = connections[using]
    was_idle = durable.is_idle(connection)
    failures: list[Failure] = []
    sent = 0
    for item, call in zip(row.items, its_calls, strict=True):
        if time.monotonic() >= deadline or stopped():
            break
        sent += 1
        if call is None:
            failures.append((item, "DoesNotExist"))
        elif errors := _errors_of(call, connection, was_idle=was_idle):
            failures.append((item, type(errors[0]).__name__))
    singles = _singles(row, failures)
    dead = sum(single.state == PendingSignal.States.DEAD for single in singles)
    return _given_back(row, sent) + singles, Swept(sent - len(failures), len(failures) - dead, dead)


def _given_back(row: PendingSignal, sent: int) -> list[PendingSignal]:
    """What was not reached is not tried: it goes back free at once, as if it had not been claimed."""
    items, attempts = row.items[sent:], row.attempts - 1
    if not items:
        return []
    again = PendingSignal(id=row.pk, items=items, available_at=_now_ms(), attempts=attempts)
    again.last_error = row.last_error
    return [again]


def _errors_of(call: calls.Call, connection: BaseDatabaseWrapper, *, was_idle: bool) -> list[Exception]:
    """Call the receivers; what went wrong. A transaction that one of them left open is rolled back."""
    errors = call.send()
    if was_idle and not durable.is_idle(connection):
        durable.abandon(connection)
        logger.error(
            "A receiver of %s left a transaction open: it is rolled back",
            call.signal,
            extra={"cmc_event": "transaction_left_open", "signal": call.signal},
        )
        errors.append(TransactionManagementError(call.signal))
    return errors


def _singles(row: PendingSignal, failures: Sequence[Failure]) -> list[PendingSignal]:
    """A row for each call that failed: after a pause, or dead if that was its last attempt."""
    pause = FIRST_PAUSE_MS << min(row.attempts, MAX_ATTEMPTS) - 1
    singles = []
    for sequence, (item, error) in enumerate(failures, start=1):
        single = _row([item], wire.key_ms(row.pk), _now_ms() + pause, sequence, row.attempts)
        single.last_error = error[:255]
        if row.attempts >= MAX_ATTEMPTS:
            single.state = PendingSignal.States.DEAD
        _note_failure(single)
        singles.append(single)
    return singles


def _note_failure(single: PendingSignal) -> None:
    signal = "".join(single.items[0][:1])
    if single.state == PendingSignal.States.DEAD:
        logger.error(
            "A signal is dead after %d attempts: %s",
            MAX_ATTEMPTS,
            single.last_error,
            extra={
                "cmc_event": "signal_dead",
                "signal": signal,
                "attempts": single.attempts,
                "error": single.last_error,
            },
        )
    else:
        logger.warning(
            "A signal failed and is sent again: %s",
            single.last_error,
            extra={
                "cmc_event": "signal_failed",
                "signal": signal,
                "attempts": single.attempts,
                "error": single.last_error,
            },
        )


def _row(items: list[list[Any]], born: int, available_at: int, sequence: int, attempts: int) -> PendingSignal:
    """A row whose key tells since when its signals are owed, whatever became of the rows before it."""
    return PendingSignal(
        id=wire.time_key(born, sequence), items=items, available_at=available_at, attempts=attempts
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
