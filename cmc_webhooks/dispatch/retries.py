"""Retries of signal calls that failed: each in a separate row, after a pause, until it is dead."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from cmc_webhooks import wire
from cmc_webhooks.dispatch import calls
from cmc_webhooks.models import PendingSignal

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FIRST_PAUSE_MS", "MAX_ATTEMPTS", "FailedCall", "after"]

logger = logging.getLogger(__name__)

FIRST_PAUSE_MS = 30_000
"""The pause after the first attempt; it doubles with each further one."""

MAX_ATTEMPTS = 8


class FailedCall(NamedTuple):
    """The item of a call, see `PendingSignal`, the name of its error, and the receivers that failed."""

    item: list[Any]
    error: str
    failures: list[dict[str, str]]


def after(row: PendingSignal, failed: Sequence[FailedCall]) -> list[PendingSignal]:
    """Return a row for each call that failed: due after a pause, or dead if that was its last attempt."""
    pause = FIRST_PAUSE_MS << min(row.attempts, MAX_ATTEMPTS) - 1
    singles = []
    for sequence, (item, error, failures) in enumerate(failed, start=1):
        single = calls.new_row(
            [item],
            wire.key_ms(row.pk),
            calls.now_ms() + pause,
            sequence,
            row.attempts,
            last_error=error[:255],
            failures=failures,
            # Without failures, it is unknown who was called: the process was killed, or a row was deleted
            receivers={} if failures else row.receivers,
            replay=row.replay,
        )
        if row.attempts >= MAX_ATTEMPTS:
            single.state = PendingSignal.States.DEAD
        _note_failure(single)
        singles.append(single)
    return singles


def _note_failure(single: PendingSignal) -> None:
    signal = "".join(single.items[0][:1])
    names = ", ".join(failure["receiver"] or "unnamed" for failure in single.failures)
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
                "receivers": names,
            },
        )
    else:
        logger.warning(
            "A signal failed and will be retried: %s",
            single.last_error,
            extra={
                "cmc_event": "signal_failed",
                "signal": signal,
                "attempts": single.attempts,
                "error": single.last_error,
                "receivers": names,
            },
        )
