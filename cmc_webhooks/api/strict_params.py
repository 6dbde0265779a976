"""A parameter that nobody reads is refused, never passed over; so is one that is given twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework import exceptions

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from rest_framework.request import Request

__all__ = ["refuse_unread"]


def refuse_unread(request: Request, view: Any, known: AbstractSet[str]) -> None:
    """Let the parameters pass that are known, each once, and the one that names a format.

    Raises:
        ParseError: another was given, or one twice.
    """
    known = known | {view.settings.URL_FORMAT_OVERRIDE}
    for name, values in request.query_params.lists():
        if name not in known:
            allowed = ", ".join(sorted(filter(None, known)))
            raise exceptions.ParseError(f"Unknown parameter {name[:64]!a}. Allowed are: {allowed}.")
        if len(values) > 1:
            raise exceptions.ParseError(f"{name} is given {len(values)} times. Once is allowed.")
