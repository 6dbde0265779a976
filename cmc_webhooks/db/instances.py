"""Model instances built in one step.

`Model.__init__` costs more than everything else that is done to a row of a batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django.db.models.base import ModelState

if TYPE_CHECKING:
    from django.db.models import Model

__all__ = ["build", "mark_saved"]

Row = TypeVar("Row", bound="Model")


def build(model: type[Row], values: dict[str, Any], using: str | None = None) -> Row:
    """Return an instance with these values, keyed by attribute name, one for each field.

    With `using`, it counts as stored in that database. It is built as Django unpickles models, without
    `__init__` and its signals.
    """
    row = model.__new__(model)
    row.__dict__ = values
    values["_state"] = state = ModelState()
    if using is not None:
        state.adding, state.db = False, using
    return row


def mark_saved(row: Model, using: str) -> None:
    """Mark a new instance as stored in this database."""
    row._state.adding, row._state.db = False, using
