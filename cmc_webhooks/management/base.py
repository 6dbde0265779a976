"""Behaviour shared by all commands: argument errors, confirmation prompts and early exits."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from django.core.management import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError, OperationalError
from django.utils.translation import gettext

from cmc_webhooks import audit, checks
from cmc_webhooks.db import transactions
from cmc_webhooks.models import Trail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "HELD",
    "LOST",
    "Command",
    "ProblemFound",
    "actor",
    "new_file",
    "one_line_errors",
    "refuse_existing",
    "stopping_by_signal",
    "wrong",
]

_WRONG_USE = 2
_OWNER_ALONE = 0o600
HELD = 3
"""The exit code if all rows were deleted or erased but those that the database refuses to change."""
LOST = (OperationalError, InterfaceError, transactions.Unavailable)
"""Exceptions that are raised if the database is unavailable."""


class ProblemFound(CommandError):
    """The command did its work and found a problem, which it has printed. The exit code is 1.

    `call_command` raises it. On the command line nothing more is printed.
    """

    def __init__(self, line: str) -> None:
        super().__init__(line, returncode=1)


class Command(BaseCommand):
    """Base command. Wrong arguments, wrong settings and an unavailable database end it with one line."""

    # Django's model checks ask MariaDB for its version, so they end with a traceback if it is unavailable,
    # and cron would mail their warnings on each run. A command needs only this app's settings to be valid.
    requires_system_checks = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.error = partial(self._refuse, parser.prog)  # type: ignore[method-assign] # the original prints the usage
        return parser

    def _refuse(self, program: str, message: str) -> NoReturn:
        line = " ".join("[hidden]" if "@" in word else word for word in message.split())
        if not getattr(self, "_called_from_command_line", False):
            raise wrong(f"Error: {line}")
        self.stderr.write(f"{program}: error: {line}")
        sys.exit(_WRONG_USE)

    def execute(self, *args: Any, **options: Any) -> str | None:
        with one_line_errors(lambda: "nothing was done"):
            _refuse_wrong_settings()
            try:
                return super().execute(*args, **options)
            except ProblemFound as found:
                if not getattr(self, "_called_from_command_line", False):
                    raise
                sys.exit(found.returncode)

    def agreed(self, question: str) -> bool:
        """Ask a yes/no question on the terminal and return whether the answer is yes.

        Raises:
            CommandError: standard input is closed or at its end.
        """
        try:
            answer = input(f"{question} [y/N] ")
        except (EOFError, RuntimeError):  # stdin is at its end or closed
            raise wrong("Refusing to prompt without a terminal; pass --no-input") from None
        return answer.strip().lower() in ("y", "yes")


@contextmanager
def one_line_errors(say: Callable[[], str]) -> Iterator[None]:
    """Exit with 130 on Ctrl-C and with 1 if the database is unavailable, after one line.

    `say()` returns the progress so far, as text for that line.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise CommandError(f"Interrupted: {say()}", returncode=130) from None
    except LOST as error:
        fault = gettext(transactions.setup_fault(error) or "")
        line = fault or f"The database is unavailable ({transactions.described(error)}): {say()}"
        raise CommandError(line, returncode=1) from None
    except DatabaseError as error:
        if not (fault := transactions.setup_fault(error)):
            raise
        raise CommandError(gettext(fault), returncode=1) from None


@contextmanager
def stopping_by_signal(stop: threading.Event) -> Iterator[None]:
    """Set `stop` on SIGTERM and SIGINT, and restore the caller's handlers at the end.

    Only the main thread can set handlers. In another thread, such as a task worker's, signals stay the
    worker's own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: stop.set()) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def actor(reason: str) -> audit.Actor:
    """Return the actor that runs the command, for the trail of personal data."""
    return audit.Actor(Trail.Ways.COMMAND, audit.login_name(), reason)


def wrong(line: str) -> CommandError:
    """Return the error for wrong arguments or settings: a `CommandError` with exit code 2."""
    return CommandError(line, returncode=_WRONG_USE)


def refuse_existing(path: str) -> None:
    """Refuse a file that exists before the tables are read.

    Raises:
        CommandError: it exists.
    """
    if os.path.lexists(path):
        raise wrong("the file of --output exists")


def new_file(path: str) -> TextIO:
    """Create a file that its owner alone may read.

    Raises:
        CommandError: it cannot be created.
    """
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ALONE)
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or type(error).__name__
        raise wrong(f"the file of --output cannot be created: {problem}") from None
    return os.fdopen(number, "w", encoding="utf-8", newline="")


def _refuse_wrong_settings() -> None:
    """Raise `CommandError` for the first error of this app's checks that need no connection.

    A negative retention, for example, must not prune anything.
    """
    offline = (checks.check_settings, checks.check_keeping, checks.check_rest)
    for message in chain.from_iterable(check(None) for check in offline):
        if message.is_serious() and not message.is_silenced():
            raise wrong(f"{message.msg} {message.hint} ({message.id})")
