"""How a command ends when it cannot go on: one line, and an exit code of its own."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.core.management import CommandError
from django.db import InterfaceError, OperationalError

from cmc_webhooks import durable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["told_shortly"]


@contextmanager
def told_shortly(say: Callable[[], str]) -> Iterator[None]:
    """Ctrl-C exits with 130, a database that is away with 1; `say()` tells in one line how far it came."""
    try:
        yield
    except KeyboardInterrupt:
        raise CommandError(f"Interrupted: {say()}", returncode=130) from None
    except (OperationalError, InterfaceError, durable.Unavailable):
        raise CommandError(f"The database is away: {say()}", returncode=1) from None
