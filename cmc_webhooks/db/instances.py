"""Instances made in one step: `Model.__init__` costs more than all else that is done to a row of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django.db.models.base import ModelState

if TYPE_CHECKING:
    from django.db.models import Model

__all__ = ["made", "note_stored"]

Row = TypeVar("Row", bound="Model")


def made(model: type[Row], values: dict[str, Any], using: str | None = None) -> Row:
    """An instance with these values, by attribute and one for each field; a stored one if `using` is given.

    As Django unpickles models, without `__init__` and its signals.
    """
    row = model.__new__(model)
    row.__dict__ = values
    values["_state"] = state = ModelState()
    if using is not None:
        state.adding, state.db = False, using
    return row


def note_stored(row: Model, using: str) -> None:
    """Let a new instance know that its row is there now."""
    row._state.adding, row._state.db = False, using
