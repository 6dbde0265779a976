"""PostgreSQL: a lock, then one statement with the rows of each table as one JSON parameter.

Rows go as JSON since psycopg quotes arrays, and Django each of a thousand values, in Python. What is equal
in all rows or in two columns is sent once: parsing JSON is what the server does most of the time.
"""

from __future__ import annotations

import json
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connections

from cmc_webhooks.models import Mail, Notification, instances
from cmc_webhooks.store.sets import MERGED, Raced, by_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from django.db.models import Model

    from cmc_webhooks.models import BlockEvent, MailCount, MailEvent

_dumps = json.JSONEncoder(ensure_ascii=False, default=str, separators=(",", ":")).encode

# The keys that have rows. Keys of events follow time, so their range is small, and its index is taken.
_KNOWN = "SELECT id FROM {table} WHERE id = ANY(%s::uuid[]) AND id BETWEEN %s AND %s"

# The stored rows of these keys, locked in key order.
_LOCK = "SELECT {columns} FROM {table} WHERE id = ANY(%s::uuid[]) ORDER BY id FOR UPDATE"

# The parts of one statement. It returns how many mails and events were inserted: fewer than given if a rival
# was quicker with one of them. These two are asked for, so they come first, in this order. Of the others only
# the counts wait for rivals, who want nothing more by then.
_INSERT = """{name} AS (
    INSERT INTO {table} ({columns}) SELECT {values} FROM json_to_recordset(%s) AS r({types})
    ORDER BY r.id ON CONFLICT (id) DO NOTHING RETURNING 1)"""
_UPDATE = """{name} AS (
    UPDATE {table} SET ({columns}) = ROW({values}) FROM json_to_recordset(%s) AS r({types})
    WHERE {table}.id = r.id)"""
_COUNT = """{name} AS (
    INSERT INTO {table} AS stored ({columns}) SELECT {values} FROM json_to_recordset(%s) AS r({types})
    ORDER BY r.id ON CONFLICT (id)
    DO UPDATE SET number = stored.number + EXCLUDED.number, changed_at = EXCLUDED.changed_at)"""
_PARTS = {"changed": _UPDATE, "counts": _COUNT}
_NUMBER = "(SELECT count(*) FROM {name})"


def known(using: str, model: type[Model] | None, keys: Iterable[UUID]) -> set[UUID]:
    """Those of `keys` that `model` has rows for."""
    keys = sorted(keys)
    if model is None or not keys:
        return set()
    with connections[using].cursor() as cursor:
        cursor.execute(_known(using, model), [_array(keys), keys[0], keys[-1]])
        return {key for (key,) in cursor.fetchall()}


def lock(
    using: str,
    mails: Iterable[Mail],
    model: type[MailEvent | BlockEvent] | None,
    keys: Iterable[UUID],
    known_before: AbstractSet[UUID],
) -> tuple[dict[UUID, Mail], AbstractSet[UUID]]:
    """The rows of these mails by key, locked, or the mails as they are given; and the known event keys.

    Those are as they were before; `write` tells if a rival was quicker.
    """
    given = {mail.id: mail for mail in mails}
    if given:
        sql, names = _lock(using)
        with connections[using].cursor() as cursor:
            cursor.execute(sql, [_array(sorted(given))])
            for values in cursor.fetchall():
                stored = instances.made(Mail, dict(zip(names, values, strict=True)), using)
                given[stored.id] = stored
    return given, known_before


def write(
    using: str,
    notification: Notification,
    events: Iterable[MailEvent | BlockEvent],
    mails: Iterable[Mail],
    parts: Iterable[MailCount],
) -> None:
    """Insert a notification, new events and new mails, update the other mails, and count them.

    Raises:
        Raced: a rival has inserted one of them meanwhile; the transaction must not be committed.
    """
    ordered, events = by_key(mails), by_key(events)
    new = [mail for mail in ordered if mail._state.adding]
    changed = [mail for mail in ordered if not mail._state.adding]
    statements: list[str] = []
    parameters: list[Any] = []
    for name, rows in (
        ("notifications", [notification]),
        ("mails", new),
        ("changed", changed),
        ("events", events),
        ("counts", by_key(parts)),
    ):
        if rows:
            model: type[Model] = type(rows[0])
            sources, constants, values = _columns(rows, _fields(using, model, merged=name == "changed"))
            statements.append(_statement(using, name, model, sources))
            parameters += [*constants, values]
    numbers = ", ".join(
        _NUMBER.format(name=name) if rows else "0" for name, rows in (("mails", new), ("events", events))
    )
    with connections[using].cursor() as cursor:
        cursor.execute(f"WITH {', '.join(statements)} SELECT {numbers}", parameters)
        if cursor.fetchone() != (len(new), len(events)):
            raise Raced
    for row in (notification, *new, *events):
        instances.note_stored(row, using)


class _Field(NamedTuple):
    """A column: its attribute, its quoted name, and the type that JSON is read as."""

    attribute: str
    column: str
    kind: str


def _array(keys: Iterable[UUID]) -> str:
    return f"{{{','.join([key.hex for key in keys])}}}"


def _columns(
    rows: Sequence[Model], fields: Sequence[_Field]
) -> tuple[tuple[int | None, ...], list[Any], str]:
    """Where each column is told, the values that are told once, and the others as JSON.

    A column is told by itself, by an earlier one that is equal in all rows, or once (None).
    """
    told: dict[int, list[Any]] = {}
    sources: list[int | None] = []
    constants: list[Any] = []
    for number, field in enumerate(fields):
        attribute = field.attribute
        values = [row.__dict__[attribute] for row in rows]
        first = values[0]
        if attribute != "id" and first == values[-1] and values.count(first) == len(values):
            sources.append(None)
            constants.append(_dumps(first) if field.kind == "jsonb" else first)
            continue
        if field.kind == "uuid":
            values = [value and value.hex for value in values]
        source = next((earlier for earlier, others in told.items() if others == values), number)
        sources.append(source)
        if source == number:
            told[number] = values
    names = [fields[number].attribute for number in told]
    named = [dict(zip(names, row, strict=True)) for row in zip(*told.values(), strict=True)]
    return tuple(sources), constants, _dumps(named)


@lru_cache(maxsize=256)
def _statement(using: str, name: str, model: type[Model], sources: tuple[int | None, ...]) -> str:
    """The part for rows of a model whose columns are told there, see `_columns`."""
    merged = name == "changed"
    fields = _fields(using, model, merged=merged)
    written = [
        (field.column, f"%s::{field.kind}" if source is None else f"r.{fields[source].column}")
        for field, source in zip(fields, sources, strict=True)
        if not merged or field.attribute != "id"
    ]
    told = [fields[number] for number, source in enumerate(sources) if source == number]
    return _PARTS.get(name, _INSERT).format(
        name=name,
        table=connections[using].ops.quote_name(model._meta.db_table),
        columns=", ".join(column for column, _ in written),
        values=", ".join(value for _, value in written),
        types=", ".join(f"{field.column} {field.kind}" for field in told),
    )


@cache
def _fields(using: str, model: type[Model], *, merged: bool) -> list[_Field]:
    """The columns of a model; `merged`: those that merging can change, and the key."""
    connection = connections[using]
    fields: Any = model._meta.concrete_fields
    return [
        _Field(field.attname, connection.ops.quote_name(field.column), field.db_type(connection))
        for field in fields
        if not merged or field.primary_key or field.name in MERGED
    ]


@cache
def _known(using: str, model: type[Model]) -> str:
    return _KNOWN.format(table=connections[using].ops.quote_name(model._meta.db_table))


@cache
def _lock(using: str) -> tuple[str, list[str]]:
    """The statement, and the attributes that its columns belong to."""
    fields = _fields(using, Mail, merged=False)
    table = connections[using].ops.quote_name(Mail._meta.db_table)
    columns = ", ".join(field.column for field in fields)
    return _LOCK.format(columns=columns, table=table), [field.attribute for field in fields]
