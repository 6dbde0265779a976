"""What log records may hold of an exception."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["without_text"]


def without_text(error: Exception) -> tuple[type[Exception], Exception, TracebackType | None]:
    """Return the `exc_info` of an exception without its text, which may quote an address or what was sent.

    The class and the lines of the traceback stay. The exceptions that caused it are left out.
    """
    kind = type(error)
    named = type(
        kind.__name__, (Exception,), {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    )
    return kind, named(), error.__traceback__
