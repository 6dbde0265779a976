"""What all commands do alike: how they refuse what is wrong, ask, and end where they cannot go on."""

from __future__ import annotations

import sys
from functools import partial
from itertools import chain
from typing import Any, NoReturn

from django.core.management import BaseCommand, CommandError, CommandParser

from cmc_webhooks import checks
from cmc_webhooks.management import endings

__all__ = ["Command", "wrong"]

_WRONG_USE = 2


class Command(BaseCommand):
    """A command that ends with one line where arguments, settings or the database do not let it go on."""

    # Django's checks of models ask MariaDB for its version, so they end with a traceback where it is away,
    # and cron would mail their warnings each time. What a command must know is if our settings are right.
    requires_system_checks = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.error = partial(self._refuse, parser.prog)  # type: ignore[method-assign] # its own shows the usage
        return parser

    def _refuse(self, program: str, message: str) -> NoReturn:
        line = " ".join("[hidden]" if "@" in word else word for word in message.split())
        if not getattr(self, "_called_from_command_line", False):
            raise wrong(f"Error: {line}")
        self.stderr.write(f"{program}: error: {line}")
        sys.exit(_WRONG_USE)

    def execute(self, *args: Any, **options: Any) -> str | None:
        with endings.told_shortly(lambda: "nothing was done"):
            _refuse_wrong_settings()
            return super().execute(*args, **options)

    def agreed(self, question: str) -> bool:
        """Whether somebody at the terminal says yes.

        Raises:
            CommandError: nobody is there.
        """
        try:
            answer = input(f"{question} [y/N] ")
        except (EOFError, RuntimeError):  # stdin is at its end, or closed
            raise wrong("Nobody answers: say --no-input") from None
        return answer.strip().lower() in ("y", "yes")


def wrong(line: str) -> CommandError:
    """The error for wrong arguments and settings."""
    return CommandError(line, returncode=_WRONG_USE)


def _refuse_wrong_settings() -> None:
    """Our own errors alone, of checks that connect to nothing: a negative age, say, must prune nothing."""
    offline = (checks.check_settings, checks.check_keeping, checks.check_rest)
    for message in chain.from_iterable(check(None) for check in offline):
        if message.is_serious() and not message.is_silenced():
            raise wrong(f"{message.msg} {message.hint} ({message.id})")
