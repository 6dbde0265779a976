"""Comparison of texts byte by byte, on every database: MariaDB and MySQL treat é as e and A as a."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import connections, models
from django.db.models import Q
from django.db.models.functions import MD5

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["exactly", "grouped", "is_exactly", "one_of"]

Rows = TypeVar("Rows", bound=models.QuerySet[Any])


def is_exactly(using: str, name: str, text: str) -> Q:
    """Return the condition that a column holds exactly this text."""
    condition = Q(**{name: text})
    if connections[using].vendor == "mysql":
        condition &= Q(**{f"{name}__startswith": text, f"{name}__endswith": text})
    return condition


def exactly(rows: Rows, name: str, text: str) -> Rows:
    """Return the rows whose column holds exactly this text.

    The collations of MariaDB and MySQL treat é as e and A as a. There the index finds the candidates, then
    their bytes are compared.
    """
    return rows.filter(is_exactly(rows.db, name, text))


def one_of(using: str, name: str, texts: Iterable[str]) -> Q:
    """Return the condition that a column holds exactly one of these texts."""
    texts = sorted(set(texts))
    if connections[using].vendor != "mysql":
        return Q(**{f"{name}__in": texts})
    return reduce(or_, [is_exactly(using, name, text) for text in texts], Q(pk__in=[]))


def grouped(rows: models.QuerySet[Any], *columns: str, **values: Any) -> models.QuerySet[Any]:
    """Group rows by equal values, texts by their bytes even where MariaDB's collation treats é as e."""
    exact = {}
    if connections[rows.db].vendor == "mysql":
        texts = [each for each in columns if isinstance(rows.model._meta.get_field(each), models.CharField)]
        exact = {f"exact_{column}": MD5(column) for column in texts}
    made: models.QuerySet[Any] = rows.order_by().annotate(**values, **exact).values(*columns, *values, *exact)
    return made
