"""A record of the signals sent, for pytest and unittest alike."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.dispatch import Signal

from cmc_webhooks import signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cmc_webhooks.dispatch import SweepResult
    from cmc_webhooks.models import Mail

__all__ = [
    "ReceivedStatus",
    "SentSignal",
    "SentSignals",
    "assert_address_erased",
    "assert_mails_pruned",
    "assert_not_received",
    "assert_received",
    "assert_replayed",
    "assert_signal_sent",
    "send_pending_signals",
    "signals_sent",
]

_NAMES = {id(value): name for name, value in vars(signals).items() if isinstance(value, Signal)}


class SentSignal(NamedTuple):
    """One call: the signal's name, its sender and its arguments."""

    signal: str
    sender: type
    arguments: dict[str, Any]


class ReceivedStatus(NamedTuple):
    """A call of a function that `on_status` has connected, and its arguments."""

    function: Callable[..., object]
    arguments: dict[str, Any]


class SentSignals(list[SentSignal]):
    """Signals in the order in which they were sent. `received` are the calls that `on_status` let pass."""

    def __init__(self) -> None:
        super().__init__()
        self.received: list[ReceivedStatus] = []

    def of(self, signal: Signal | str) -> list[dict[str, Any]]:
        """Return the arguments of each call of one signal."""
        name = signal if isinstance(signal, str) else _NAMES[id(signal)]
        return [sent.arguments for sent in self if sent.signal == name]


@contextmanager
def signals_sent() -> Iterator[SentSignals]:
    """Record the signals of this app that are sent inside the `with` block."""
    sent = SentSignals()

    def note(sender: type, signal: Signal, **arguments: Any) -> None:
        sent.append(SentSignal(_NAMES[id(signal)], sender, arguments))

    def note_received(function: Callable[..., object], arguments: dict[str, Any]) -> None:
        sent.received.append(ReceivedStatus(function, arguments))

    listened = [getattr(signals, name) for name in _NAMES.values()]
    for each in listened:
        each.connect(note)
    signals.StatusReceiver.observers.append(note_received)
    try:
        yield sent
    finally:
        signals.StatusReceiver.observers.remove(note_received)
        for each in listened:
            each.disconnect(note)


def send_pending_signals() -> SweepResult:
    """Send the pending signals that are due, as `cmc_dispatch` does, also inside a test's transaction.

    `address_erased`, `mails_pruned`, retries and what `cmc_redeliver` enqueued are sent by it.
    """
    from cmc_webhooks import dispatch  # imports models, and a plugin may be loaded before them
    from cmc_webhooks.models import routing

    return dispatch.sweep(routing.write_alias())


def assert_signal_sent(
    sent: SentSignals, signal: Signal | str, sender: type | None = None, **expected: Any
) -> dict[str, Any]:
    """Return the arguments of the first call of `signal` by `sender` that has the `expected` values.

    Raises:
        AssertionError: no call matches. The message lists the signals sent.
    """
    name = signal if isinstance(signal, str) else _NAMES[id(signal)]
    for each in sent:
        if each.signal == name and sender in (None, each.sender) and _has(each.arguments, expected):
            return each.arguments
    wanted = f"{name} by {sender.__name__ if sender else 'anyone'} with {expected}"
    listed = "\n".join(f"  {each.signal} by {each.sender.__name__}: {each.arguments}" for each in sent)
    raise AssertionError(f"not sent: {wanted}; sent were:\n{listed or '  none'}")


def assert_replayed(
    sent: SentSignals, signal: Signal | str, sender: type | None = None, **expected: Any
) -> dict[str, Any]:
    """Return the arguments of the first such call that a person has sent again (`replay=True`).

    Raises:
        AssertionError: no call matches. The message lists the signals sent.
    """
    return assert_signal_sent(sent, signal, sender, **{**expected, "replay": True})


def assert_received(sent: SentSignals, function: Callable[..., object], **expected: Any) -> dict[str, Any]:
    """Return the arguments of the first call of a function, connected by `on_status`, with these values.

    Raises:
        AssertionError: no call matches. The message lists the calls of such functions.
    """
    for each in sent.received:
        if each.function == function and _has(each.arguments, expected):
            return each.arguments
    listed = "\n".join(f"  {_name(each.function)}: {each.arguments}" for each in sent.received)
    raise AssertionError(f"not called: {_name(function)} with {expected}; called were:\n{listed or '  none'}")


def assert_not_received(sent: SentSignals, function: Callable[..., object]) -> None:
    """Assert that a function, connected by `on_status`, was not called.

    Raises:
        AssertionError: it was called. The message has the arguments.
    """
    calls = [each.arguments for each in sent.received if each.function == function]
    if calls:
        raise AssertionError(f"{_name(function)} was called with {calls}")


def assert_mails_pruned(sent: SentSignals, *mails: Mail | UUID) -> list[UUID]:
    """Return the keys of all mails that `mails_pruned` named. These mails, or their keys, must be among them.

    Raises:
        AssertionError: the signal was not sent, or a mail is missing.
    """
    return _named("mails_pruned", sent.of("mails_pruned"), mails)


def assert_address_erased(sent: SentSignals, address: str, *mails: Mail | UUID) -> list[UUID]:
    """Return the keys of all mails that `address_erased` named for an address, in any spelling.

    Raises:
        AssertionError: the signal was not sent for this address, or one of these mails is missing.
    """
    from cmc_webhooks import audit  # imports models, as above

    hashes = audit.address_hashes(address)
    calls = [each for each in sent.of("address_erased") if each["address_hash"] in hashes]
    return _named(f"address_erased for {address}", calls, mails)


def _named(what: str, calls: list[dict[str, Any]], mails: tuple[Mail | UUID, ...]) -> list[UUID]:
    if not calls:
        raise AssertionError(f"not sent: {what}. Were the pending signals sent, see send_pending_signals?")
    named = [key for call in calls for key in call["mails"]]
    wanted = [mail if isinstance(mail, UUID) else mail.pk for mail in mails]
    missing = [str(key) for key in wanted if key not in named]
    if missing:
        raise AssertionError(f"{what} was sent without {', '.join(missing)}")
    return named


def _has(arguments: dict[str, Any], expected: dict[str, Any]) -> bool:
    return {argument: arguments.get(argument) for argument in expected} == expected


def _name(function: Callable[..., object]) -> str:
    return getattr(function, "__qualname__", repr(function))
