"""SQLite, MariaDB, MySQL: the statements of the portable way without the ORM's cost for each value.

A new mail is written once, as it is after the merge. On SQLite this wants transactions that begin as writers
(`IMMEDIATE`), since reading comes first.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, connections, models

from cmc_webhooks.models import Mail, instances
from cmc_webhooks.store.counted import count
from cmc_webhooks.store.sets import MERGED, reading
from cmc_webhooks.store.ways import Direct, Raced

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from uuid import UUID

    from django.db.backends.base.base import BaseDatabaseWrapper

    from cmc_webhooks.models import BlockEvent, MailCount, MailEvent, Notification

# The rows that have these keys.
_SELECT = "SELECT {columns} FROM {table} WHERE id IN ({places})"
# ... in key order, and locked; SQLite has one writer at a time.
_LOCKING = _SELECT + " ORDER BY id FOR UPDATE"

_INSERT = "INSERT INTO {table} ({columns}) VALUES {places}"
_UPSERT = _INSERT + " ON DUPLICATE KEY UPDATE {assignments}"
_UPDATE = "UPDATE {table} SET {assignments} WHERE id = %s"

_AS_THEY_ARE = (models.CharField, models.TextField, models.IntegerField)


class Plain(Direct):
    """Statements of many rows; on SQLite one for each row, prepared once."""

    def known(
        self, using: str, model: type[MailEvent | BlockEvent] | None, keys: Collection[UUID]
    ) -> set[UUID]:
        if model is None:
            return set()
        return {row[0] for row in _select(using, _SELECT, model, [model._meta.pk], keys)}

    def locked(self, using: str, keys: Sequence[UUID]) -> list[Mail]:
        fields: Any = Mail._meta.concrete_fields
        names = [field.attname for field in fields]
        sql = _LOCKING if connections[using].features.has_select_for_update else _SELECT
        return [
            instances.made(Mail, dict(zip(names, values, strict=True)), using)
            for values in _select(using, sql, Mail, fields, keys)
        ]

    def put(
        self,
        using: str,
        notification: Notification,
        new: Sequence[Mail],
        changed: Sequence[Mail],
        events: Sequence[MailEvent | BlockEvent],
        parts: Sequence[MailCount],
    ) -> None:
        try:
            for rows in ([notification], new, events):
                _insert(using, rows)
        except IntegrityError as error:
            raise Raced from error
        _update(using, changed)
        count(using, parts)


WAY = Plain()


def _select(
    using: str, sql: str, model: type[models.Model], fields: Sequence[Any], keys: Iterable[UUID]
) -> list[list[Any]]:
    connection = connections[using]
    key_field: Any = model._meta.pk
    values = [key_field.get_db_prep_save(key, connection) for key in keys]
    if not values:
        return []
    quote = connection.ops.quote_name
    columns = ", ".join(quote(field.column) for field in fields)
    places = ", ".join(["%s"] * len(values))
    read = [reading(field, connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(sql.format(columns=columns, table=quote(model._meta.db_table), places=places), values)
        return [[each(value) for each, value in zip(read, row, strict=True)] for row in cursor.fetchall()]


def _insert(using: str, rows: Sequence[models.Model]) -> None:
    if rows:
        names = [field.attname for field in rows[0]._meta.concrete_fields]
        _many(using, _INSERT, rows, names)


def _update(using: str, mails: Sequence[Mail]) -> None:
    """Write what merging changed in stored mails."""
    if not mails:
        return
    if connections[using].vendor == "sqlite":
        connection = connections[using]
        quote = connection.ops.quote_name
        sql = _UPDATE.format(
            table=quote(Mail._meta.db_table), assignments=", ".join(f"{quote(name)} = %s" for name in MERGED)
        )
        with connection.cursor() as cursor:
            cursor.executemany(sql, _values(connection, mails, [*MERGED, "id"]))
    else:
        _many(using, _UPSERT, mails, [field.attname for field in Mail._meta.concrete_fields])


def _many(using: str, sql: str, rows: Sequence[models.Model], names: Sequence[str]) -> None:
    """One INSERT; on SQLite one for each row, prepared once, which is quicker there."""
    connection, model = connections[using], type(rows[0])
    quote = connection.ops.quote_name
    values = _values(connection, rows, names)
    place = f"({', '.join(['%s'] * len(names))})"
    one_by_one = connection.vendor == "sqlite"
    made = sql.format(
        table=quote(model._meta.db_table),
        columns=", ".join(quote(name) for name in names),
        places=place if one_by_one else ", ".join([place] * len(rows)),
        assignments=", ".join(f"{quote(name)} = VALUES({quote(name)})" for name in MERGED),
    )
    with connection.cursor() as cursor:
        if one_by_one:
            cursor.executemany(made, values)
        else:
            cursor.execute(made, [value for row in values for value in row])


def _values(
    connection: BaseDatabaseWrapper, rows: Sequence[models.Model], names: Sequence[str]
) -> list[list[Any]]:
    """The parameters of each row, as the database takes them."""
    meta = rows[0]._meta
    told = itemgetter(*names)
    columns = []
    for name, values in zip(names, zip(*[told(row.__dict__) for row in rows], strict=True), strict=True):
        field: Any = meta.get_field(name)
        columns.append(_prepared(field, connection, values))
    return [list(row) for row in zip(*columns, strict=True)]


def _prepared(field: Any, connection: BaseDatabaseWrapper, values: Sequence[Any]) -> Iterable[Any]:
    """The values of a column, as the database takes them."""
    if isinstance(field, _AS_THEY_ARE):
        return values
    if isinstance(getattr(field, "target_field", field), models.UUIDField):
        native = connection.features.has_native_uuid_field
        return [value and (str(value) if native else value.hex) for value in values]
    if isinstance(field, models.DateTimeField):  # there are few different ones in a batch
        known = {value: field.get_db_prep_save(value, connection) for value in set(values)}
        return [known[value] for value in values]
    return [field.get_db_prep_save(value, connection) for value in values]
