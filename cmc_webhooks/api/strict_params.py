"""Query parameters that are unknown or given twice are rejected, never ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework import exceptions

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from rest_framework.request import Request

__all__ = ["reject_unknown_params"]


def reject_unknown_params(request: Request, view: Any, known: AbstractSet[str]) -> None:
    """Reject parameters that are unknown or given twice. The one that selects a format is always known.

    Raises:
        ParseError: a parameter is unknown or given more than once.
    """
    known = known | {view.settings.URL_FORMAT_OVERRIDE}
    for name, values in request.query_params.lists():
        if name not in known:
            allowed = ", ".join(sorted(filter(None, known)))
            raise exceptions.ParseError(f"Unknown parameter {name[:64]!a}. Must be one of: {allowed}.")
        if len(values) > 1:
            raise exceptions.ParseError(f"{name} is specified more than once.")
