"""Bulk inserts and upserts: each set of rows in key order, in as few statements as the database allows."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from django.db import connections

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from uuid import UUID

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Model


def known_keys(using: str, model: type[Model] | None, keys: Collection[UUID]) -> set[UUID]:
    """Return those of `keys` that `model` has rows for."""
    if model is None or not keys:
        return set()
    return set(model._default_manager.using(using).filter(pk__in=keys).values_list("pk", flat=True))


def insert(using: str, rows: Iterable[Model]) -> None:
    """Insert new rows of one model, in key order."""
    ordered = by_key(rows)
    if ordered:
        type(ordered[0])._default_manager.using(using).bulk_create(ordered)


def insert_plainly(using: str, rows: Sequence[Model], then: str = "") -> None:
    """Insert these rows of one model as they are, by one INSERT. `then` is the SQL after its values."""
    if not rows:
        return
    connection = connections[using]
    meta = rows[0]._meta
    fields: Sequence[Any] = meta.concrete_fields
    quote = connection.ops.quote_name
    columns = ", ".join(quote(field.column) for field in fields)
    places = ", ".join([f"({', '.join(['%s'] * len(fields))})"] * len(rows))
    values = [
        field.get_db_prep_save(getattr(row, field.attname), connection) for row in rows for field in fields
    ]
    sql = f"INSERT INTO {quote(meta.db_table)} ({columns}) VALUES {places} {then}"  # noqa: S608 - names only
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


def by_key(rows: Iterable[Any]) -> list[Any]:
    """Return the rows in the order of their primary key."""
    return sorted(rows, key=attrgetter("id"))


def upsert(using: str, rows: list[Any], fields: Sequence[str]) -> None:
    """Insert these rows, or set these fields of a stored row with the key. The rows come in key order."""
    if not rows:
        return
    targeted = connections[using].features.supports_update_conflicts_with_target
    type(rows[0])._default_manager.using(using).bulk_create(
        rows, update_conflicts=True, update_fields=fields, unique_fields=["id"] if targeted else None
    )


def reading(field: Any, connection: BaseDatabaseWrapper) -> Callable[[Any], Any]:
    """Return a function that converts a raw value of a column as the ORM does."""
    column = field.get_col(field.model._meta.db_table)
    converters = [*connection.ops.get_db_converters(column), *field.get_db_converters(connection)]

    def read(value: Any) -> Any:
        for convert in converters:
            value = convert(value, column, connection)
        return value

    return read
