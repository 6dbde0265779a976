"""The change feed's rows: written with what changed, numbered after the commit, deleted by retention."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from django.core.exceptions import EmptyResultSet
from django.db import connections, transaction
from django.db.models import F, Max, Value
from django.db.models.functions import Greatest

from cmc_webhooks.conf import app_settings
from cmc_webhooks.models import BlockEvent, Change, FeedHead, Mail, Suppression
from cmc_webhooks.timezones import to_stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Model, QuerySet

__all__ = ["HEAD", "KINDS", "number", "record", "record_each", "record_rows", "renew_epoch", "trim"]

HEAD = 1
"""The key of the one row of `FeedHead`."""
KINDS: dict[type[Model], str] = {
    Mail: Change.Kinds.MAIL.value,
    BlockEvent: Change.Kinds.BLOCK.value,
    Suppression: Change.Kinds.SUPPRESSION.value,
}
"""The models that the feed follows, each with the kind of a change of its rows."""

_left: set[str] = set()
"""The aliases of the databases in which this process, without the feed, ended the epoch."""

_composition = attrgetter("server_composition")
_COLUMNS = ("kind", "key", "server_composition", "at")
_UNNESTED = "SELECT %s, given.id, %s, %s FROM unnest(%s::uuid[]) AS given(id)"
_PLACES = (
    "%s + given.place FROM unnest(%s::bigint[]) WITH ORDINALITY AS given(id, place)"
    " WHERE stored.id = given.id"
)


def record(using: str, kind: str, keys: Iterable[UUID], server_composition: str) -> None:
    """Record that these rows changed, in the caller's transaction. Do nothing if the feed is off."""
    if not (_is_on(using) and (given := list(keys))):
        return
    connection = connections[using]
    insert, values = _insert(connection), partial(_value, connection)
    at, composition = values("at", _now()), values("server_composition", server_composition)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            array = f"{{{','.join([key.hex for key in given])}}}"
            cursor.execute(insert + _UNNESTED, [kind, composition, at, array])
            return
        place = "(%s, %s, %s, %s)"
        rows = [(kind, values("key", key), composition, at) for key in given]
        if connection.vendor == "sqlite":  # prepared once
            cursor.executemany(f"{insert} VALUES {place}", rows)
        else:
            places = ", ".join([place] * len(rows))
            cursor.execute(f"{insert} VALUES {places}", [value for row in rows for value in row])


def record_each(using: str, rows: Iterable[Any]) -> None:
    """Record that these rows of one model changed, each once, as `record` does."""
    if not _is_on(using):
        return
    changed = {row.pk: row for row in rows}.values()
    for composition, group in groupby(sorted(changed, key=_composition), _composition):
        alike = list(group)
        record(using, KINDS[type(alike[0])], [row.pk for row in alike], composition)


def record_rows(rows: QuerySet[Any], kind: str) -> None:
    """Record a change of this kind for each row of the queryset, by one INSERT.

    Call it before the rows are deleted or no longer match the queryset.
    """
    using = rows.db
    if not _is_on(using):
        return
    connection = connections[using]
    selected = rows.order_by().values_list(
        Value(kind), "pk", "server_composition", Value(_now(), output_field=Change._meta.get_field("at"))
    )
    try:
        sql, parameters = selected.query.get_compiler(using).as_sql()
    except EmptyResultSet:  # of no keys
        return
    with connection.cursor() as cursor:
        cursor.execute(_insert(connection) + sql, parameters)


def number(using: str, most: int) -> int:
    """Number committed changes, `most` at once, in the caller's transaction. Return their number.

    Call it in a transaction of its own. The row of the head is updated first, so that one process numbers at
    a time, also on Galera, which has no locks across nodes. The changes are read after it: those that are
    committed later get higher numbers.
    """
    heads = FeedHead._default_manager.using(using).filter(pk=HEAD)
    if not heads.update(seq=F("seq")):
        _begin(using)
        heads.update(seq=F("seq"))
    last = heads.values_list("seq", flat=True).get()
    unnumbered = Change._default_manager.using(using).filter(seq=None)
    keys = sorted(unnumbered.values_list("pk", flat=True)[:most])
    if keys:
        _assign(using, keys, last + 1)
        heads.update(seq=last + len(keys))
    return len(keys)


def trim(using: str, keys: Sequence[Any]) -> int:
    """Delete these numbered changes, and note it in the head, so that cursors below them are refused."""
    old = Change._default_manager.using(using).filter(pk__in=keys)
    highest = old.aggregate(highest=Max("seq"))["highest"]
    if highest is not None:
        heads = FeedHead._default_manager.using(using).filter(pk=HEAD)
        heads.update(trimmed=Greatest("trimmed", highest))
    return old.delete()[0]


def renew_epoch(using: str) -> int:
    """Make every cursor invalid. Return whether there was a feed, as 0 or 1."""
    return FeedHead._default_manager.using(using).filter(pk=HEAD).update(epoch=_new_epoch())


def _is_on(using: str) -> bool:
    """Return whether changes are recorded. The first time that they are not, end the epoch.

    Changes are missing from then on, so a cursor from before does not lead to all of them.
    """
    if app_settings.change_feed:
        return True
    if using not in _left:
        renew_epoch(using)
        transaction.on_commit(partial(_left.add, using), using=using)
    return False


def _begin(using: str) -> None:
    """Insert the head, unless another process did."""
    head = FeedHead(id=HEAD, epoch=_new_epoch())
    FeedHead._default_manager.using(using).bulk_create([head], ignore_conflicts=True)


def _new_epoch() -> str:
    return secrets.token_hex(8)


def _now() -> datetime:
    return to_stored(datetime.now(UTC))


def _insert(connection: BaseDatabaseWrapper) -> str:
    quote = connection.ops.quote_name
    columns = ", ".join(quote(name) for name in _COLUMNS)
    return f"INSERT INTO {quote(Change._meta.db_table)} ({columns}) "


def _value(connection: BaseDatabaseWrapper, name: str, value: Any) -> Any:
    field: Any = Change._meta.get_field(name)
    return field.get_db_prep_save(value, connection)


def _assign(using: str, keys: Sequence[int], first: int) -> None:
    """Number these changes in this order, from `first` on."""
    connection = connections[using]
    # Else InnoDB may read a small table as a whole, and wait for the rows of transactions that are open
    index = " FORCE INDEX (PRIMARY)" if connection.vendor == "mysql" else ""
    table = connection.ops.quote_name(Change._meta.db_table)
    update = f"UPDATE {table} AS stored{index} SET seq = "  # noqa: S608 - names only
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"{update}{_PLACES}", [first - 1, f"{{{','.join(map(str, keys))}}}"])
        elif connection.vendor == "mysql":
            listed = ", ".join(map(str, keys))
            cursor.execute(
                f"{update}%s + FIELD(stored.id, {listed}) WHERE stored.id IN ({listed})", [first - 1]
            )
        else:
            cursor.executemany(f"{update}%s WHERE stored.id = %s", [*enumerate(keys, first)])
