"""When signals go out: after the commit, each of them sent, owed or dead, never lost.

A call is one signal for one fact. Calls are written to the outbox in the transaction of the events, sent when
that is committed, and deleted when the receivers have returned. A receiver that raises stops no other; its
call stays owed, and a retry calls every receiver of that signal again.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from cmc_webhooks import event_types, signals, store, wire
from cmc_webhooks.models import Mail, PendingSignal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import Model

__all__ = ["Call", "Owed", "owe", "send", "wanted"]

logger = logging.getLogger(__name__)

CALLS_PER_ROW = 25
LEASE_MS = 300_000
BUDGET_SECONDS = 2.0
FIRST_PAUSE_MS = 30_000
MAX_ATTEMPTS = 8


class Call(NamedTuple):
    """One signal for one fact; `mail` is None for blocks, the last three are for `status_changed`."""

    signal: str
    event: Any
    mail: Mail | None
    old: str = ""
    new: str = ""
    version: int = 0

    @property
    def sender(self) -> type[Model]:
        return Mail if self.signal == "status_changed" else type(self.event)

    def item(self) -> dict[str, Any]:
        """What the outbox keeps of it, as JSON."""
        return {
            "signal": self.signal,
            "event_type": event_types.name_of(type(self.event)),
            "event": str(self.event.pk),
            "mail": str(self.mail.pk) if self.mail else None,
            "old": self.old,
            "new": self.new,
            "version": self.version,
        }

    def send(self) -> list[Exception]:
        """Call all receivers; the exceptions of those that raised. Django logs each with its traceback."""
        arguments: dict[str, Any] = {"event": self.event, "mail": self.mail}
        if self.signal == "status_changed":
            arguments |= {"old": self.old, "new": self.new, "version": self.version}
        answers = getattr(signals, self.signal).send_robust(self.sender, **arguments)
        return [answer for _, answer in answers if isinstance(answer, Exception)]


class Owed(NamedTuple):
    """A row of the outbox with the calls in it."""

    row: PendingSignal
    calls: Sequence[Call]


def wanted(calls: Iterable[Call]) -> list[Call]:
    """The calls that have a receiver in this process."""
    return [call for call in calls if getattr(signals, call.signal).has_listeners(call.sender)]


def owe(using: str, calls: Sequence[Call]) -> list[Owed]:
    """Write the calls to the outbox, leased to whoever called: to be used inside the events' transaction."""
    now = _now_ms()
    owed = [
        Owed(
            _row(calls[start : start + CALLS_PER_ROW], now, start // CALLS_PER_ROW, LEASE_MS, 1),
            calls[start : start + CALLS_PER_ROW],
        )
        for start in range(0, len(calls), CALLS_PER_ROW)
    ]
    store.insert(using, [row for row, _ in owed])
    return owed


def send(using: str, owed: Iterable[Owed]) -> None:
    """Send what is owed, in order, outside any transaction; what does not fit the budget stays owed."""
    deadline = time.monotonic() + BUDGET_SECONDS
    for row, calls in owed:
        failed: list[tuple[Call, Exception]] = []
        unsent = list(calls)
        while unsent and time.monotonic() < deadline:
            call = unsent.pop(0)
            failed += [(call, error) for error in call.send()[:1]]
        store.settle(using, row, _left_over(row, unsent, failed))


def _left_over(
    row: PendingSignal, unsent: Sequence[Call], failed: Sequence[tuple[Call, Exception]]
) -> list[PendingSignal]:
    """Rows for the calls that were not reached, free at once, and one for each that failed, after a pause."""
    now = _now_ms()
    rows = [_row(unsent, now, 0, 0, row.attempts - 1)] if unsent else []
    for sequence, (call, error) in enumerate(failed, start=1):
        single = _row([call], now, sequence, FIRST_PAUSE_MS << row.attempts - 1, row.attempts)
        single.last_error = type(error).__name__[:255]
        if row.attempts >= MAX_ATTEMPTS:
            single.state = PendingSignal.States.DEAD
            logger.error("A signal is dead after %d attempts", row.attempts)
        rows.append(single)
    return rows


def _row(calls: Sequence[Call], now: int, sequence: int, wait_ms: int, attempts: int) -> PendingSignal:
    return PendingSignal(
        id=wire.time_key(now, sequence),
        items=[call.item() for call in calls],
        available_at=now + wait_ms,
        attempts=attempts,
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
