"""SQLite, MariaDB, MySQL: the statements of the portable way without the ORM's cost for each value.

A new mail is written once, as it is after the merge; beside stored ones twice, where rivals are locked out.
On SQLite this wants transactions that begin as writers (`IMMEDIATE`), since reading comes first.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, connections, models

from cmc_webhooks.models import Mail, instances
from cmc_webhooks.store.counted import count
from cmc_webhooks.store.sets import MERGED, by_key, reading
from cmc_webhooks.store.ways import Direct, Raced

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from django.db.backends.base.base import BaseDatabaseWrapper

    from cmc_webhooks.models import BlockEvent, MailCount, MailEvent, Notification

# The rows that have these keys.
_SELECT = "SELECT {columns} FROM {table} WHERE id IN ({places})"
# ... in key order, and locked.
_LOCK = _SELECT + " ORDER BY id FOR UPDATE"

_INSERT = "INSERT INTO {table} ({columns}) VALUES {places}"
# Leaves a row that is there as it is, but locks it.
_KEEP = _INSERT + " ON DUPLICATE KEY UPDATE id = VALUES(id)"
_UPSERT = _INSERT + " ON DUPLICATE KEY UPDATE {assignments}"
_UPDATE = "UPDATE {table} SET {assignments} WHERE id = %s"

_AS_THEY_ARE = (models.CharField, models.TextField, models.IntegerField)


class Plain(Direct):
    """Statements of many rows; SQLite has one writer at a time, so nothing is locked."""

    def known(
        self, using: str, model: type[MailEvent | BlockEvent] | None, keys: Collection[UUID]
    ) -> set[UUID]:
        return set() if model is None else _known(using, model, keys)

    def locked(self, using: str, mails: Sequence[Mail]) -> list[Mail]:
        return _stored(using, _SELECT, mails)

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


class Locking(Plain):
    """Statements of many rows, with rivals locked out: each takes all its locks in the order of the keys.

    InnoDB waits for a row's lock before it says that the key is taken, so new mails beside stored ones are
    inserted while locking, not after it. New mails alone are written once, after the merge: there a batch
    that a rival overtook rolls its own rows back, and several who wait for them may deadlock, and try again.
    """

    def lock(
        self,
        using: str,
        mails: Iterable[Mail],
        model: type[MailEvent | BlockEvent] | None,
        keys: Collection[UUID],
        known_before: AbstractSet[UUID] | None,
    ) -> tuple[dict[UUID, Mail], AbstractSet[UUID]]:
        mails = by_key(mails)
        if len(mails) > 1 and 0 < len(_known(using, Mail, [mail.id for mail in mails])) < len(mails):
            _insert(using, mails, _KEEP)
            known_before = None  # from here on it is exact, so that these rows need not be rolled back
        return super().lock(using, mails, model, keys, known_before)

    def locked(self, using: str, mails: Sequence[Mail]) -> list[Mail]:
        return _stored(using, _LOCK, mails)


SQLITE = Plain()
MARIADB = Locking()


def _known(using: str, model: type[models.Model], keys: Collection[UUID]) -> set[UUID]:
    """Those of `keys` that there are rows for."""
    return {key for (key,) in _select(using, _SELECT, model, [model._meta.pk], keys)}


def _stored(using: str, sql: str, mails: Sequence[Mail]) -> list[Mail]:
    """The rows of these mails."""
    fields: Any = Mail._meta.concrete_fields
    names = [field.attname for field in fields]
    return [
        instances.made(Mail, dict(zip(names, values, strict=True)), using)
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
        _insert(using, mails, _UPSERT)


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
