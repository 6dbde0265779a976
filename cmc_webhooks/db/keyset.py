"""Keyset pagination: a page begins behind the keys of a row, not after a number of rows.

Every page costs as much as the first, and nothing is counted. Rows that are inserted meanwhile neither
repeat nor hide another row.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connections
from django.db.models import Q
from django.utils import timezone

from cmc_webhooks import wire
from cmc_webhooks.db.session import discourage_parallel_plans

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.db.models import Model, QuerySet

__all__ = ["YEARS", "BadCursor", "Page", "read", "walk"]

YEARS = range(1900, 9999)
"""Years whose times stay within the range of Python and of the databases in every time zone."""

_NEXT, _PREVIOUS = "next", "previous"
_SAFE = " !#$&'()*+-./:;<=>?@[]^_`{|}~"
"""What values in a cursor hold as it is. A comma stands between them."""


class BadCursor(ValueError):
    """A cursor that is malformed or belongs to another ordering."""


class Page(NamedTuple):
    """Rows in order, with the cursors of the next and previous page or None. An empty page has neither.

    `end` is the cursor behind the last row, also where nothing follows yet.
    """

    rows: list[Any]
    next: str | None
    previous: str | None
    end: str


def read(
    queryset: QuerySet[Any], keys: Sequence[str], *, size: int, descending: bool = True, cursor: str = ""
) -> Page:
    """Return the page of `queryset` that the cursor points to; without a cursor, the first page.

    `keys` are the columns to order by. They have an index and end with the primary key.

    Raises:
        BadCursor: the cursor is malformed or belongs to another ordering.
    """
    fields = [queryset.model._meta.get_field(key) for key in keys]
    way, position = _read_cursor(cursor, fields, queryset.db)
    downwards = descending == (way == _NEXT)
    if position:
        queryset = queryset.filter(_behind(keys, position, "lt" if downwards else "gt"))
    order = [f"-{key}" if downwards else key for key in keys]
    with discourage_parallel_plans(connections[queryset.db]):
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
        _end(way, cursor, fields, rows),
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
    """Return an iterator over a page of `first` rows and then all rows after it, `size` at a time.

    Raises:
        BadCursor: the cursor is malformed or belongs to another ordering; raised before the first row.
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
    """Return the condition for rows behind `position`, in a form that databases read as an index range."""
    (key, *keys), (value, *position) = keys, position
    behind = Q(**{f"{key}__{lookup}": value})
    if not keys:
        return behind
    return Q(**{f"{key}__{lookup}e": value}) & (behind | _behind(keys, position, lookup))


def _end(way: str, cursor: str, fields: Sequence[Any], rows: Sequence[Model]) -> str:
    """Return the cursor behind the last of these rows; if there is none, the one that leads to them."""
    if rows:
        return _cursor(_NEXT, fields, rows[-1])
    return cursor if cursor and way == _NEXT else _encoded(_NEXT)


def _cursor(way: str, fields: Sequence[Any], row: Model) -> str:
    values = [f"{field.name}={quote(field.value_to_string(row), safe=_SAFE)}" for field in fields]
    return _encoded(",".join([way, *values]))


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_cursor(cursor: str, fields: Sequence[Any], using: str) -> tuple[str, list[Any]]:
    """Return the direction and the key values to start behind; no values for the first page."""
    if not cursor:
        return _NEXT, []
    try:
        way, *texts = base64.urlsafe_b64decode(cursor).decode().split(",")
        if texts or way != _NEXT:  # of an empty list it has no position
            position = [_value(field, text, using) for field, text in zip(fields, texts, strict=True)]
        else:
            position = []
    except (ValueError, ValidationError):
        raise BadCursor(cursor) from None
    if way not in (_NEXT, _PREVIOUS):
        raise BadCursor(cursor)
    return way, position


def _value(field: Any, text: str, using: str) -> Any:
    """Return the value of a key in a cursor, a time in UTC.

    A cursor comes from outside, so a value is checked before it reaches the database: PostgreSQL refuses
    offsets from 16 hours on, and each database refuses integers that are too long for the column.
    """
    name, _, text = text.partition("=")
    if name != field.name:  # a cursor of another ordering
        raise ValueError(text)
    value = field.to_python(unquote(text))
    if isinstance(value, datetime):
        if timezone.is_aware(value) != settings.USE_TZ or value.year not in YEARS:
            raise ValueError(text)
        return value.astimezone(UTC) if settings.USE_TZ else value
    if isinstance(value, int):
        least, most = connections[using].ops.integer_field_range(field.get_internal_type())
        if (least is not None and value < least) or (most is not None and value > most):
            raise ValueError(text)
    if isinstance(value, str) and wire.clean(value) != value:
        raise ValueError(text)
    return value
