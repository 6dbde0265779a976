"""Rows of other models that refer to rows and forbid their deletion."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import CASCADE, DO_NOTHING, PROTECT, RESTRICT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from uuid import UUID

    from django.db.models import Model

__all__ = ["Reference", "held", "references"]


class Reference(NamedTuple):
    """A foreign key that may forbid the deletion of the rows that it refers to.

    `path` leads from the referring model to the keys of those rows. `is_certain` is False if only an attempt
    shows whether they can be deleted: RESTRICT allows it if the referring row is deleted too, by a CASCADE,
    and after DO_NOTHING the database decides. It decides alike for all rows: see `is_alike`.
    """

    model: Any
    path: str
    is_certain: bool
    is_alike: bool


def references(model: type[Model], through: str = "") -> Iterator[Reference]:
    """Yield the foreign keys to a model that may forbid the deletion of its rows.

    `through` is a foreign key of the model whose keys are meant instead of the model's own.
    """
    for relation in model._meta.get_fields(include_hidden=True):
        if not relation.auto_created or not (relation.one_to_many or relation.one_to_one):
            continue
        on_delete: Any = getattr(relation, "on_delete", None)
        field: Any = relation.field  # type: ignore[union-attr] # of a relation, which the line above asks for
        if on_delete in (PROTECT, RESTRICT) or (on_delete is DO_NOTHING and field.db_constraint):
            path = "__".join(filter(None, (field.name, through, "pk")))
            is_certain = on_delete is PROTECT or (on_delete is RESTRICT and not _cascades(field.model))
            yield Reference(field.model, path, is_certain, on_delete is DO_NOTHING)


def _cascades(model: type[Model]) -> bool:
    """Return whether rows of a model can be deleted with rows that they refer to."""
    return any(
        getattr(field.remote_field, "on_delete", None) is CASCADE for field in model._meta.concrete_fields
    )


def held(using: str, found: Iterable[Reference], keys: Collection[UUID]) -> dict[UUID, set[str]]:
    """Return those of the keys that are referred to, with the labels of the models that do."""
    holders: defaultdict[UUID, set[str]] = defaultdict(set)
    for model, path, *_ in found:
        rows = model._base_manager.using(using).filter(**{f"{path}__in": keys})
        for key in rows.values_list(path, flat=True).distinct():
            holders[key].add(model._meta.label)
    return dict(holders)
