"""Query parameters that are unknown or given twice are rejected, never ignored.

A parameter that takes several values takes them with commas, or given again and again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework import exceptions

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from rest_framework.request import Request

__all__ = ["given", "reject_unknown_params"]

_OF_SEVERAL = "__in"
_SEVERAL = {"by"}


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
        if len(values) > 1 and not _takes_several(name):
            raise exceptions.ParseError(f"{name} is specified more than once.")


def given(request: Request) -> dict[str, str]:
    """Return the parameters that are given, as text; several values of one have commas between them.

    An empty value counts as not given.
    """
    values = {
        name: ",".join(filter(None, texts)) if _takes_several(name) else texts[-1]
        for name, texts in request.query_params.lists()
    }
    return {name: text for name, text in values.items() if text}


def _takes_several(name: str) -> bool:
    return name.endswith(_OF_SEVERAL) or name in _SEVERAL
