"""The first values of an indexed text column that begin with some text, however many rows each has.

Each value is found behind the one before it, so that a statement reads as many index entries as it returns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections

if TYPE_CHECKING:
    from django.db.models import QuerySet

__all__ = ["beginning_with"]

_LAST = "\U0010ffff"

_NEXT = """
    WITH RECURSIVE found (value, number) AS (
        SELECT ({first}), 1
        UNION ALL
        SELECT ({next}), found.number + 1 FROM found WHERE found.value IS NOT NULL AND found.number < %s
    )
    SELECT value FROM found WHERE value IS NOT NULL
"""
_LEAST = "SELECT MIN(stored.{column}) FROM {table} AS stored WHERE {condition}"
# A pattern operator class has an order of its own, by bytes.
_LEAST_BY_BYTES = """
    SELECT stored.{column} FROM {table} AS stored WHERE {condition} ORDER BY stored.{column} USING ~<~ LIMIT 1
"""
_FORMS = {
    "sqlite": (_LEAST, "stored.{column} >= %s AND stored.{column} < %s", "stored.{column} > found.value"),
    "mysql": (_LEAST, "stored.{column} LIKE %s", "stored.{column} > found.value"),
    "postgresql": (_LEAST_BY_BYTES, "stored.{column} LIKE %s", "stored.{column} ~>~ found.value"),
}
"""By vendor: the least value, the condition that it begins with a text, and that it is behind another."""


def beginning_with(
    rows: QuerySet[Any], name: str, text: str, most: int, *, is_partial: bool = False
) -> list[str]:
    """Return the first `most` distinct values of a column that begin with this text, in order; one query.

    An index begins with the column, and may be a partial one of the values that are not empty. On PostgreSQL,
    it has a pattern operator class. The order is that of the index: by bytes on PostgreSQL and SQLite, by the
    collation on MariaDB.
    """
    connection = connections[rows.db]
    if connection.vendor not in _FORMS:
        found = rows.filter(**{f"{name}__startswith": text}).order_by(name).values_list(name, flat=True)
        return list(found.distinct()[:most])
    least, begins, behind = _FORMS[connection.vendor]
    names = {
        "table": connection.ops.quote_name(rows.model._meta.db_table),
        "column": connection.ops.quote_name(rows.model._meta.get_field(name).column),
    }
    given = [text, text + _LAST]
    if connection.vendor != "sqlite":
        given = [f"{connection.ops.prep_for_like_query(text)}%"]
    if is_partial:  # the condition of the index, which SQLite wants word by word
        begins += " AND NOT (stored.{column} = '')"
    first = least.format(condition=begins, **names).format(**names)
    after = least.format(condition=f"{begins} AND {behind}", **names).format(**names)
    with connection.cursor() as cursor:
        cursor.execute(_NEXT.format(first=first, next=after), [*given, *given, most])
        return [value for (value,) in cursor.fetchall() if value.startswith(text)]
