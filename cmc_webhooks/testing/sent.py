"""Which signals were sent, for pytest and unittest alike."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from cmc_webhooks import signals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.dispatch import Signal

__all__ = ["SentSignal", "SentSignals", "assert_signal_sent", "signals_sent"]

_NAMES = {id(getattr(signals, name)): name for name in signals.__all__}


class SentSignal(NamedTuple):
    """One call: the signal's name, its sender, its arguments."""

    signal: str
    sender: type
    arguments: dict[str, Any]


class SentSignals(list[SentSignal]):
    """Signals in the order in which they were sent."""

    def of(self, signal: Signal | str) -> list[dict[str, Any]]:
        """The arguments of each call of one signal."""
        name = signal if isinstance(signal, str) else _NAMES[id(signal)]
        return [sent.arguments for sent in self if sent.signal == name]


@contextmanager
def signals_sent() -> Iterator[SentSignals]:
    """The signals of this app that are sent inside the block."""
    sent = SentSignals()

    def note(sender: type, signal: Signal, **arguments: Any) -> None:
        sent.append(SentSignal(_NAMES[id(signal)], sender, arguments))

    listened = [getattr(signals, name) for name in _NAMES.values()]
    for each in listened:
        each.connect(note)
    try:
        yield sent
    finally:
        for each in listened:
            each.disconnect(note)


def assert_signal_sent(
    sent: SentSignals, signal: Signal | str, sender: type | None = None, **expected: Any
) -> dict[str, Any]:
    """The arguments of the first call of `signal` by `sender` in which these arguments have these values.

    Raises:
        AssertionError: there is none; the message lists what was sent.
    """
    name = signal if isinstance(signal, str) else _NAMES[id(signal)]
    for each in sent:
        values = {argument: each.arguments.get(argument) for argument in expected}
        if each.signal == name and sender in (None, each.sender) and values == expected:
            return each.arguments
    wanted = f"{name} by {sender.__name__ if sender else 'anyone'} with {expected}"
    listed = "\n".join(f"  {each.signal} by {each.sender.__name__}: {each.arguments}" for each in sent)
    raise AssertionError(f"not sent: {wanted}; sent were:\n{listed or '  none'}")
