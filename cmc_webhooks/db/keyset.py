"""Pages that begin behind a row's keys, not after a number of rows.

Every page costs what the first one does, nothing is counted, and rows that arrive meanwhile neither repeat
nor hide another row.
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connections
from django.db.models import Q
from django.utils import timezone

from cmc_webhooks.prelude import few_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.db.models import Model, QuerySet

__all__ = ["YEARS", "BadCursor", "Page", "read", "walk"]

YEARS = range(1900, 9999)
"""Years with room on both sides: no zone can push their times out of what Python and databases know."""

_NEXT, _PREVIOUS = "next", "previous"


class BadCursor(ValueError):
    """A cursor that no page gave."""


class Page(NamedTuple):
    """Some rows in their order, and the cursors of the pages after and before them, if there are any."""

    rows: list[Any]
    next: str | None
    previous: str | None


def read(
    queryset: QuerySet[Any], keys: Sequence[str], *, size: int, descending: bool = True, cursor: str = ""
) -> Page:
    """The page of `queryset` that a cursor leads to, the first one without.

    `keys` are the columns to order by, with an index, ending in the primary key.

    Raises:
        BadCursor: it is none.
    """
    fields = [queryset.model._meta.get_field(key) for key in keys]
    way, position = _read_cursor(cursor, fields)
    downwards = descending == (way == _NEXT)
    if position:
        queryset = queryset.filter(_behind(keys, position, "lt" if downwards else "gt"))
    order = [f"-{key}" if downwards else key for key in keys]
    with few_rows(connections[queryset.db]):
        rows = list(queryset.order_by(*order)[: size + 1])
    more, rows = len(rows) > size, rows[:size]
    if way == _PREVIOUS:
        rows.reverse()
    has_next = rows and (more or way == _PREVIOUS)
    has_previous = rows and (more if way == _PREVIOUS else position)
    return Page(
        rows,
        _cursor(_NEXT, fields, rows[-1]) if has_next else None,
        _cursor(_PREVIOUS, fields, rows[0]) if has_previous else None,
    )


def walk(
    queryset: QuerySet[Any],
    keys: Sequence[str],
    *,
    first: int,
    size: int,
    descending: bool = True,
    cursor: str = "",
) -> Iterator[list[Any]]:
    """A page of `first` rows, and all rows after it, `size` at a time.

    Raises:
        BadCursor: it is none; before the first row.
    """
    page = read(queryset, keys, size=first, descending=descending, cursor=cursor)
    return _walk(page, queryset, keys, size, descending=descending)


def _walk(
    page: Page, queryset: QuerySet[Any], keys: Sequence[str], size: int, *, descending: bool
) -> Iterator[list[Any]]:
    yield page.rows
    while page.next is not None:
        page = read(queryset, keys, size=size, descending=descending, cursor=page.next)
        yield page.rows


def _behind(keys: Sequence[str], position: Sequence[Any], lookup: str) -> Q:
    """The rows behind `position`, in a form that databases see a range of an index in."""
    (key, *keys), (value, *position) = keys, position
    behind = Q(**{f"{key}__{lookup}": value})
    if not keys:
        return behind
    return Q(**{f"{key}__{lookup}e": value}) & (behind | _behind(keys, position, lookup))


def _cursor(way: str, fields: Sequence[Any], row: Model) -> str:
    text = ",".join([way, *(f"{field.name}={field.value_to_string(row)}" for field in fields)])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_cursor(cursor: str, fields: Sequence[Any]) -> tuple[str, list[Any]]:
    """The way to go and the keys to start behind; no keys for the first page."""
    if not cursor:
        return _NEXT, []
    try:
        way, *texts = base64.urlsafe_b64decode(cursor).decode().split(",")
        position = [_value(field, text) for field, text in zip(fields, texts, strict=True)]
    except (ValueError, ValidationError):
        raise BadCursor(cursor) from None
    if way not in (_NEXT, _PREVIOUS):
        raise BadCursor(cursor)
    return way, position


def _value(field: Any, text: str) -> Any:
    name, _, text = text.partition("=")
    if name != field.name:  # the cursor of another order
        raise ValueError(text)
    value = field.to_python(text)
    if isinstance(value, datetime) and (
        timezone.is_aware(value) != settings.USE_TZ or value.year not in YEARS
    ):
        raise ValueError(text)
    return value
