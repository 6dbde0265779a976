"""Loading of rows for lists, with long texts cut by the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Case, F, JSONField, TextField, When
from django.db.models.functions import Cast, Left, Length
from django.db.models.lookups import LessThanOrEqual

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.db.models import Field, Model, QuerySet

__all__ = ["LongTexts", "names_of_cut"]

_ALIAS = "cut_{}"
_NAMES = "_names_of_cut"


class LongTexts:
    """The text columns of a queryset and of the rows that it joins, each cut to `longest` characters.

    Read `queryset` instead of the original one, then call `fill` with the rows. With `json`, a JSON value of
    more than `longest` characters is left out as a whole. The rows are for reading: saving them would
    store the cut texts.
    """

    def __init__(self, queryset: QuerySet[Any], longest: int, *, json: bool = False) -> None:
        self._longest = longest
        self._columns = list(_columns(queryset, json=json))
        self.queryset = queryset
        if self._columns:
            loaded = {
                _ALIAS.format(number): _expression(path, field, longest)
                for number, (path, field) in enumerate(self._columns)
            }
            self.queryset = queryset.defer(*(path for path, _ in self._columns)).annotate(**loaded)

    def fill(self, rows: Iterable[Any]) -> None:
        """Set the columns of the rows to the cut values, and note the names of those that were cut."""
        for row in rows:
            cut = []
            for number, (path, field) in enumerate(self._columns):
                value = vars(row).pop(_ALIAS.format(number))
                joined = path.removesuffix(field.name).removesuffix("__")
                owner = getattr(row, joined) if joined else row
                if isinstance(field, JSONField):
                    is_cut, value = value is None, {} if value is None else value
                else:
                    is_cut, value = len(value) > self._longest, value[: self._longest]
                setattr(owner, field.name, value)
                if is_cut:
                    cut.append(field.name)
            vars(row)[_NAMES] = cut


def names_of_cut(row: Model) -> list[str]:
    """Return the names of the columns of a row that were cut; none if it was loaded whole."""
    names: list[str] = vars(row).get(_NAMES, [])
    return names


def _columns(queryset: QuerySet[Any], *, json: bool) -> Iterator[tuple[str, Field[Any, Any]]]:
    """Yield the columns to cut, with the paths by which the queryset names them."""
    kinds = (TextField, JSONField) if json else (TextField,)
    joined = queryset.query.select_related
    left_out, is_deferred = queryset.query.deferred_loading
    models = {"": queryset.model}
    for name in joined if isinstance(joined, dict) else ():
        models[f"{name}__"] = queryset.model._meta.get_field(name).related_model
    for prefix, model in models.items():
        for field in model._meta.concrete_fields:
            path = f"{prefix}{field.name}"
            if isinstance(field, kinds) and (path in left_out) != is_deferred:
                yield path, field


def _expression(path: str, field: Field[Any, Any], longest: int) -> Any:
    if isinstance(field, JSONField):
        is_short = LessThanOrEqual(Length(Cast(path, TextField())), longest)
        return Case(When(is_short, then=F(path)), default=None, output_field=JSONField())
    return Left(path, longest + 1)
