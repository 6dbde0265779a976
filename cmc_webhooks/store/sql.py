"""SQLite, MariaDB and MySQL: the statements of the portable writer without the ORM's cost for each value.

A new mail is written once, as it is after the merge; in a batch with stored mails twice, where rows are
locked (MariaDB and MySQL). On SQLite, transactions must begin as writers (`IMMEDIATE`), since reading comes
first.
"""

from __future__ import annotations

from dataclasses import replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, connections, models

from cmc_webhooks.db import instances
from cmc_webhooks.models import Mail
from cmc_webhooks.models.mails import MERGED_FIELDS
from cmc_webhooks.store.base import BatchRows, ConcurrentInsert, LockedRows, Lookup, SqlWriter
from cmc_webhooks.store.bulk import by_key, reading
from cmc_webhooks.store.counts import count

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from uuid import UUID

    from django.db.backends.base.base import BaseDatabaseWrapper

    from cmc_webhooks.models import BlockEvent, MailEvent

# The rows that have these keys.
_SELECT = "SELECT {columns} FROM {table} WHERE id IN ({places})"
# ... in key order, and locked.
_LOCK = _SELECT + " ORDER BY id FOR UPDATE"

_INSERT = "INSERT INTO {table} ({columns}) VALUES {places}"
# Leaves a stored row unchanged, but locks it.
_KEEP = _INSERT + " ON DUPLICATE KEY UPDATE id = VALUES(id)"
_UPSERT = _INSERT + " ON DUPLICATE KEY UPDATE {assignments}"
_UPDATE = "UPDATE {table} SET {assignments} WHERE id = %s"

_AS_THEY_ARE = (models.CharField, models.TextField, models.IntegerField)


class Plain(SqlWriter):
    """The `BatchWriter` for SQLite, which has one writer at a time, so nothing is locked."""

    def known(
        self, using: str, model: type[MailEvent | BlockEvent] | None, keys: Collection[UUID]
    ) -> set[UUID]:
        return set() if model is None else _known(using, model, keys)

    def locked(self, using: str, mails: Sequence[Mail]) -> list[Mail]:
        return _stored(using, _SELECT, mails)

    def put(self, using: str, rows: BatchRows) -> None:
        try:
            for inserted in ([rows.notification], rows.new_mails, rows.events):
                _insert(using, inserted)
        except IntegrityError as error:
            raise ConcurrentInsert from error
        _update(using, rows.changed_mails)
        count(using, rows.counts)


class Locking(Plain):
    """The `BatchWriter` for MariaDB and MySQL: each transaction takes all its locks in the order of the keys.

    InnoDB waits for a row's lock before it reports a duplicate key, so new mails in a batch with stored ones
    are inserted while locking, not after it. New mails alone are written once, after the merge: there a batch
    that was overtaken rolls its own rows back. Transactions that wait for them may deadlock, and are retried.
    """

    def lock(self, using: str, lookup: Lookup) -> LockedRows:
        mails = by_key(lookup.mails)
        if len(mails) > 1 and 0 < len(_known(using, Mail, [mail.id for mail in mails])) < len(mails):
            _insert(using, mails, _KEEP)
            # Looked up behind the locks, the keys are exact, so these rows are not rolled back
            lookup = replace(lookup, stored_before=None)
        return super().lock(using, lookup)

    def locked(self, using: str, mails: Sequence[Mail]) -> list[Mail]:
        return _stored(using, _LOCK, mails)


SQLITE = Plain()
MARIADB = Locking()


def _known(using: str, model: type[models.Model], keys: Collection[UUID]) -> set[UUID]:
    """Return those of `keys` that there are rows for."""
    return {key for (key,) in _select(using, _SELECT, model, [model._meta.pk], keys)}


def _stored(using: str, sql: str, mails: Sequence[Mail]) -> list[Mail]:
    """Return the stored rows of these mails."""
    fields: Any = Mail._meta.concrete_fields
    names = [field.attname for field in fields]
    return [
        instances.build(Mail, dict(zip(names, values, strict=True)), using)
        for values in _select(using, sql, Mail, fields, [mail.id for mail in mails])
    ]


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


def _insert(using: str, rows: Sequence[models.Model], sql: str = _INSERT) -> None:
    if rows:
        names = [field.attname for field in rows[0]._meta.concrete_fields]
        _many(using, sql, rows, names)


def _update(using: str, mails: Sequence[Mail]) -> None:
    """Write the merged fields of stored mails."""
    if not mails:
        return
    if connections[using].vendor == "sqlite":
        connection = connections[using]
        quote = connection.ops.quote_name
        sql = _UPDATE.format(
            table=quote(Mail._meta.db_table),
            assignments=", ".join(f"{quote(name)} = %s" for name in MERGED_FIELDS),
        )
        with connection.cursor() as cursor:
            cursor.executemany(sql, _values(connection, mails, [*MERGED_FIELDS, "id"]))
    else:
        _insert(using, mails, _UPSERT)


def _many(using: str, sql: str, rows: Sequence[models.Model], names: Sequence[str]) -> None:
    """Run one INSERT for all rows; on SQLite one for each row, prepared once, which is faster there."""
    connection, model = connections[using], type(rows[0])
    quote = connection.ops.quote_name
    values = _values(connection, rows, names)
    place = f"({', '.join(['%s'] * len(names))})"
    one_by_one = connection.vendor == "sqlite"
    made = sql.format(
        table=quote(model._meta.db_table),
        columns=", ".join(quote(name) for name in names),
        places=place if one_by_one else ", ".join([place] * len(rows)),
        assignments=", ".join(f"{quote(name)} = VALUES({quote(name)})" for name in MERGED_FIELDS),
    )
    with connection.cursor() as cursor:
        if one_by_one:
            cursor.executemany(made, values)
        else:
            cursor.execute(made, [value for row in values for value in row])


def _values(
    connection: BaseDatabaseWrapper, rows: Sequence[models.Model], names: Sequence[str]
) -> list[list[Any]]:
    """Return the parameters of each row, as the database expects them."""
    meta = rows[0]._meta
    read = itemgetter(*names)
    columns = []
    for name, values in zip(names, zip(*[read(row.__dict__) for row in rows], strict=True), strict=True):
        field: Any = meta.get_field(name)
        columns.append(_prepared(field, connection, values))
    return [list(row) for row in zip(*columns, strict=True)]


def _prepared(field: Any, connection: BaseDatabaseWrapper, values: Sequence[Any]) -> Iterable[Any]:
    """Return the values of a column, as the database expects them."""
    if isinstance(field, _AS_THEY_ARE):
        return values
    if isinstance(getattr(field, "target_field", field), models.UUIDField):
        native = connection.features.has_native_uuid_field
        return [value and (str(value) if native else value.hex) for value in values]
    if isinstance(field, models.DateTimeField):  # a batch has few distinct ones
        known = {value: field.get_db_prep_save(value, connection) for value in set(values)}
        return [known[value] for value in values]
    return [field.get_db_prep_save(value, connection) for value in values]
