"""PostgreSQL: a lock, then one statement with the rows of each table as one JSON parameter.

Rows are sent as JSON because psycopg quotes arrays, and Django each of a thousand values, in Python. Values
that are equal in all rows or in two columns are sent once: the server spends most of its time parsing JSON.
"""

from __future__ import annotations

import json
from functools import cache, lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connections

from cmc_webhooks.db import instances
from cmc_webhooks.models import Mail
from cmc_webhooks.models.mails import MERGED_FIELDS
from cmc_webhooks.store.base import BatchRows, ConcurrentInsert, SqlWriter

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from uuid import UUID

    from django.db.models import Model

    from cmc_webhooks.models import BlockEvent, MailEvent

_dumps = json.JSONEncoder(ensure_ascii=False, default=str, separators=(",", ":")).encode

# Each key is looked up separately: without statistics of a table, a planner would read it as a whole.

# The keys that have rows.
_KNOWN = """SELECT given.id FROM unnest(%s::uuid[]) AS given(id),
    LATERAL (SELECT id FROM {table} WHERE id = given.id OFFSET 0) AS stored"""

# The stored rows of these keys, locked in the order of the keys.
_LOCK = """SELECT stored.* FROM unnest(%s::uuid[]) AS given(id),
    LATERAL (SELECT {columns} FROM {table} WHERE id = given.id FOR UPDATE) AS stored"""

# The parts of one statement. It returns the numbers of mails and events inserted: fewer than given if another
# transaction inserted one of them first. Its SELECT reads these two parts, so they run first, in this order.
# Of the others only the counts wait for concurrent transactions, which need no further lock by then.
_INSERT = "{name} AS (INSERT INTO {table} AS stored ({columns}) {rows} ON CONFLICT (id) {then})"
_UPDATE = (
    "{name} AS (UPDATE {table} AS stored SET ({columns}) = ROW({values}) {source} WHERE stored.id = {id})"
)
_NUMBER = "(SELECT count(*) FROM {name})"

_SOURCE = "FROM json_to_recordset(%s) AS r({types})"
_ROWS = "SELECT {values} {source} ORDER BY r.id"
_ONE_ROW = "VALUES ({values})"
_ADD = "DO UPDATE SET number = stored.number + EXCLUDED.number, changed_at = EXCLUDED.changed_at"
_LEAVE = "DO NOTHING RETURNING 1"


class PostgreSQL(SqlWriter):
    """The `BatchWriter` that writes everything by one statement."""

    def known(
        self, using: str, model: type[MailEvent | BlockEvent] | None, keys: Collection[UUID]
    ) -> set[UUID]:
        if model is None or not keys:
            return set()
        with connections[using].cursor() as cursor:
            cursor.execute(_known(using, model), [_array(sorted(keys))])
            return {key for (key,) in cursor.fetchall()}

    def locked(self, using: str, mails: Sequence[Mail]) -> list[Mail]:
        if not mails:
            return []
        sql, names = _lock(using)
        with connections[using].cursor() as cursor:
            cursor.execute(sql, [_array(mail.id for mail in mails)])
            return [
                instances.build(Mail, dict(zip(names, values, strict=True)), using)
                for values in cursor.fetchall()
            ]

    def put(self, using: str, rows: BatchRows) -> None:
        given: dict[str, Sequence[Model]] = {
            "notifications": [rows.notification],
            "mails": rows.new_mails,
            "changed": rows.changed_mails,
            "events": rows.events,
            "counts": rows.counts,
        }
        statements: list[str] = []
        parameters: list[Any] = []
        for name, written in given.items():
            if written:
                model = type(written[0])
                fields = _fields(using, model, merged=name == "changed")
                sources, constants, values = _columns(written, fields)
                statements.append(_statement(using, name, model, sources))
                parameters += [*constants, *values]
        numbers = [_NUMBER.format(name=name) if given[name] else "0" for name in ("mails", "events")]
        with connections[using].cursor() as cursor:
            cursor.execute(f"WITH {', '.join(statements)} SELECT {', '.join(numbers)}", parameters)
            if cursor.fetchone() != (len(given["mails"]), len(rows.events)):
                raise ConcurrentInsert


WRITER = PostgreSQL()


class _Field(NamedTuple):
    """A column: its attribute, its quoted name, and the database type that its values are read as."""

    attribute: str
    column: str
    kind: str


def _array(keys: Iterable[UUID]) -> str:
    return f"{{{','.join([key.hex for key in keys])}}}"


def _columns(
    rows: Sequence[Model], fields: Sequence[_Field]
) -> tuple[tuple[int | None, ...], list[Any], list[str]]:
    """Return the source of each column, the constants, and the other values as JSON, if there are any.

    The source is the number of the column itself, that of an earlier column that is equal in all rows, or
    None if all rows have the same value, which is sent once, as a constant.
    """
    distinct: dict[int, Sequence[Any]] = {}
    sources: list[int | None] = []
    constants: list[Any] = []
    get = itemgetter(*[field.attribute for field in fields])
    columns: Iterable[Sequence[Any]] = zip(*[get(row.__dict__) for row in rows], strict=True)
    for number, (field, values) in enumerate(zip(fields, columns, strict=True)):
        first = values[0]
        if first == values[-1] and values.count(first) == len(values):
            sources.append(None)
            constants.append(_dumps(first) if field.kind == "jsonb" else first)
            continue
        if field.kind == "uuid":
            values = tuple([value and value.hex for value in values])
        source = next((earlier for earlier, others in distinct.items() if others == values), number)
        sources.append(source)
        if source == number:
            distinct[number] = values
    names = [fields[number].attribute for number in distinct]
    named = [dict(zip(names, row, strict=True)) for row in zip(*distinct.values(), strict=True)]
    return tuple(sources), constants, [_dumps(named)] if named else []


@lru_cache(maxsize=256)
def _statement(using: str, name: str, model: type[Model], sources: tuple[int | None, ...]) -> str:
    """Return the part for rows of a model whose columns have these sources, see `_columns`."""
    fields = _fields(using, model, merged=name == "changed")
    distinct = [fields[number] for number, source in enumerate(sources) if source == number]
    source = (
        _SOURCE.format(types=", ".join(f"{field.column} {field.kind}" for field in distinct))
        if distinct
        else ""
    )
    values = [
        f"%s::{field.kind}" if place is None else f"r.{fields[place].column}"
        for field, place in zip(fields, sources, strict=True)
    ]
    columns = [field.column for field in fields]
    table = connections[using].ops.quote_name(model._meta.db_table)
    if name == "changed":
        *columns, _ = columns  # the key, which comes last
        *values, key = values
        return _UPDATE.format(
            name=name,
            table=table,
            columns=", ".join(columns),
            values=", ".join(values),
            source=source,
            id=key,
        )
    rows = (_ROWS if distinct else _ONE_ROW).format(values=", ".join(values), source=source)
    then = _ADD if name == "counts" else _LEAVE
    return _INSERT.format(name=name, table=table, columns=", ".join(columns), rows=rows, then=then)


@cache
def _fields(using: str, model: type[Model], *, merged: bool) -> list[_Field]:
    """Return the columns of a model. With `merged`: those that merging can change, and then the key."""
    connection = connections[using]
    meta = model._meta
    fields: Any = [*map(meta.get_field, MERGED_FIELDS), meta.pk] if merged else meta.concrete_fields
    return [
        _Field(field.attname, connection.ops.quote_name(field.column), field.db_type(connection))
        for field in fields
    ]


@cache
def _known(using: str, model: type[Model]) -> str:
    return _KNOWN.format(table=connections[using].ops.quote_name(model._meta.db_table))


@cache
def _lock(using: str) -> tuple[str, list[str]]:
    """Return the statement, and the attributes that its columns belong to."""
    fields = _fields(using, Mail, merged=False)
    table = connections[using].ops.quote_name(Mail._meta.db_table)
    columns = ", ".join(field.column for field in fields)
    return _LOCK.format(columns=columns, table=table), [field.attribute for field in fields]
