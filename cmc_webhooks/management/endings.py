"""How a command ends when it cannot go on: one line, and an exit code of its own."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.core.management import CommandError
from django.db import InterfaceError, OperationalError

from cmc_webhooks import durable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["LOST", "told_shortly"]

LOST = (OperationalError, InterfaceError, durable.Unavailable)
"""What is raised where the database is away."""


@contextmanager
def told_shortly(say: Callable[[], str]) -> Iterator[None]:
    """Ctrl-C exits with 130, a database that gives way with 1; `say()` tells in one line how far it came."""
    try:
        yield
    except KeyboardInterrupt:
        raise CommandError(f"Interrupted: {say()}", returncode=130) from None
    except LOST as error:
        line = f"The database gave way ({durable.described(error)}): {say()}"
        raise CommandError(line, returncode=1) from None
