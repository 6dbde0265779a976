"""The receivers of a signal by name, so that only those that failed are called again.

A receiver's name is its `dispatch_uid`, or else the module and the qualified name of the function. A name
that two receivers of a signal share, or that holds a `<`, as those of lambdas and inner functions do, does
not identify a receiver in another process. Such receivers share the name "": if one of them fails, all
of them are called again.
"""

from __future__ import annotations

import asyncio
import sys
import sysconfig
import weakref
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from asgiref.sync import async_to_sync
from django.dispatch.dispatcher import logger as django_logger

from cmc_webhooks.signals import StatusReceiver

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from types import TracebackType

    from django.dispatch import Signal

__all__ = [
    "NOT_CONNECTED",
    "UNNAMED",
    "Failure",
    "Receiver",
    "call",
    "choose",
    "connected",
    "failure",
    "names",
]

UNNAMED = ""
"""The name of all receivers of a signal that have no unique name."""

NOT_CONNECTED = "NotConnected"
"""The error of a name that no receiver in this process has."""

Error = TypeVar("Error", bound=BaseException)

_LONGEST = 255
_INSTALLED = ("site-packages", "dist-packages")
_STDLIB = sysconfig.get_paths()["stdlib"]


class Receiver(NamedTuple):
    """A connected receiver. `label` is its name even if that is not unique; `name` is "" then."""

    name: str
    label: str
    function: Callable[..., Any]
    is_async: bool


class Failure(NamedTuple):
    """The receiver that failed, the class of the exception, and the file and line where it was raised."""

    receiver: str
    error: str
    place: str = ""


def connected(signal: Signal, sender: Any) -> list[Receiver]:
    """Return the receivers of a signal from a sender in this process, in the order of their connection.

    `Signal.receivers` is read, since nothing else has each `dispatch_uid`. In all supported versions of
    Django, each of its tuples begins with the key and the receiver, or a weak reference to it, and ends with
    whether it is asynchronous.
    """
    found = []
    for (own, of_sender), function, *_, is_async in list(signal.receivers):
        if of_sender not in (id(None), id(sender)):
            continue
        live = function() if isinstance(function, weakref.ReferenceType) else function
        if live is not None:
            found.append((_label(own, live)[:_LONGEST], live, bool(is_async)))
    times = Counter(label for label, _, _ in found)
    return [
        Receiver(UNNAMED if "<" in label or times[label] > 1 else label, label, function, is_async)
        for label, function, is_async in found
    ]


def names(signal: Signal, sender: Any) -> list[str]:
    """Return the names of the connected receivers, each once."""
    return list(dict.fromkeys(receiver.name for receiver in connected(signal, sender)))


def choose(
    receivers: Sequence[Receiver], expected: Collection[str], failed: Collection[str]
) -> tuple[list[Receiver], list[Failure]]:
    """Return the receivers to call, and a failure for each name that is not connected in this process.

    Only the receivers that `failed` before are called, if there are any; else all. `expected` are the names
    that were connected when the call was enqueued.
    """
    names = {receiver.name for receiver in receivers}
    missing = [Failure(name, NOT_CONNECTED) for name in failed or expected if name not in names]
    return [each for each in receivers if not failed or each.name in failed], missing


def call(
    signal: Signal,
    sender: Any,
    arguments: Mapping[str, Any],
    receivers: Sequence[Receiver],
    fault: Callable[[], Exception | None] = lambda: None,
) -> list[Failure]:
    """Call these receivers and return the failures, one for each name.

    As by `Signal.send_robust`, the asynchronous ones are called last and concurrently, and each exception is
    logged with its traceback. `fault` is called after each receiver. What it returns counts as raised by it.
    """
    failures = []
    bound = {"signal": signal, "sender": sender, **arguments}
    for receiver in receivers:
        if not receiver.is_async:
            error = _call(receiver, bound)
            failures += _failures([receiver], [fault() or error])
    if later := [receiver for receiver in receivers if receiver.is_async]:
        errors = async_to_sync(_gather)(later, bound)
        left = fault()
        failures += _failures(later, [error or left for error in errors])
    return list({failure.receiver: failure for failure in failures}.values())


def failure(receiver: Receiver, error: BaseException) -> Failure:
    """Return the facts about an exception that are stored: not its text, which may quote an address."""
    place = _place(error.__traceback__)
    return Failure(receiver.name, type(error).__name__[:_LONGEST], place[-_LONGEST:])


def _failures(receivers: Iterable[Receiver], errors: Iterable[BaseException | None]) -> list[Failure]:
    pairs = zip(receivers, errors, strict=True)
    return [failure(receiver, error) for receiver, error in pairs if error is not None]


def _call(receiver: Receiver, arguments: Mapping[str, Any]) -> Exception | None:
    try:
        receiver.function(**arguments)
    except Exception as error:  # noqa: BLE001 - the other receivers still run
        return _logged(receiver, error)
    return None


async def _call_async(receiver: Receiver, arguments: Mapping[str, Any]) -> BaseException | None:
    try:
        await receiver.function(**arguments)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return _logged(receiver, error)  # what the receiver waited for was cancelled
    except Exception as error:  # noqa: BLE001 - as above
        return _logged(receiver, error)
    return None


async def _gather(receivers: Iterable[Receiver], arguments: Mapping[str, Any]) -> list[BaseException | None]:
    return await asyncio.gather(*(_call_async(receiver, arguments) for receiver in receivers))


def _logged(receiver: Receiver, error: Error) -> Error:
    """Log an exception as Django does, with Django's logger. Return it."""
    django_logger.error(
        "Error calling %s in Signal.send_robust() (%s)", receiver.label, error, exc_info=error
    )
    return error


def _label(own: Any, function: Any) -> str:
    """Return the name of a receiver. `own` is its `dispatch_uid` or, without one, Django's id of it."""
    if own != _django_id(function):
        return own if isinstance(own, str) else repr(own)
    while isinstance(function, partial | StatusReceiver):
        function = function.func if isinstance(function, partial) else function.function
    named = function if hasattr(function, "__qualname__") else type(function)
    module = getattr(named, "__module__", None) or type(named).__module__  # some of C's have none
    return f"{module}.{named.__qualname__}"


def _django_id(function: Any) -> Any:
    if hasattr(function, "__func__"):
        return (id(function.__self__), id(function.__func__))
    return id(function)


def _place(traceback: TracebackType | None) -> str:
    """Return "file:line" of the deepest frame in the project's own code, or of the deepest of all.

    The frames of this module are left out. The file is relative to the entry of `sys.path` that holds it.
    """
    frames = []
    while traceback is not None:
        frames.append((traceback.tb_frame.f_code.co_filename, traceback.tb_lineno))
        traceback = traceback.tb_next
    frames = [frame for frame in frames if frame[0] != __file__]
    if not frames:
        return ""
    file, line = next((frame for frame in reversed(frames) if _is_own(frame[0])), frames[-1])
    return f"{_relative(file)}:{line}"


def _is_own(file: str) -> bool:
    is_installed = not {*Path(file).parts}.isdisjoint(_INSTALLED)
    return not (is_installed or file.startswith((_STDLIB, "<")))


def _relative(file: str) -> str:
    folders = sorted((path for path in sys.path if path and Path(path).is_absolute()), key=len, reverse=True)
    inside = (Path(file).relative_to(path) for path in folders if Path(file).is_relative_to(path))
    return str(next(inside, file))
