"""Load bounces, blocks, decisions and later deliveries for many addresses in one query.

The ORM's query is the reference. The hand-written SQL gets all addresses as one parameter.

The ORM passes each of 1,000 addresses four times, which takes the client longer than the server. The SQL
starts from the given addresses, in a form that leaves planners no other way to read mails and blocks.
Successes are looked up only for addresses that have a bounce, a block or a kept reason. The column `good` is
the latest success that can lift the row's bounce, block or kept reason; in rows of decisions it is
`forgiven_until`. An entry of CMC's lists (codes 10 and 11, blocks) is lifted by a success of its own server
composition only.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.db import connections
from django.db.models import CharField, DateTimeField, F, Max, Q, QuerySet, Value
from django.db.models.functions import MD5, Cast, Coalesce, Concat

from cmc_webhooks import wire
from cmc_webhooks.conf import app_settings
from cmc_webhooks.models import BlockEvent, Mail, Suppression
from cmc_webhooks.status import DeliveryStatus
from cmc_webhooks.store.bulk import reading

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import datetime

    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["BLOCK", "BOUNCE", "DECISION", "SUCCESS", "AddressFact", "load"]

DECISION, BOUNCE, BLOCK, SUCCESS = range(4)

_LISTED = ("10", "11", Suppression.Reasons.BLOCKED.value, Suppression.Reasons.UNSUBSCRIBED.value)
"""The words of entries of CMC's lists: codes of bounces, and reasons."""

# Without the concatenation, PostgreSQL reads all succeeded mails while a table was never analysed.
_POSTGRESQL = """
WITH given AS MATERIALIZED (
    SELECT substr(line, 33) AS address, left(line, 32)::uuid AS address_key
    FROM string_to_table(%s, E'\\n') AS line
),
decided AS MATERIALIZED (
    SELECT given.address AS place, kind, reason, since, until, server_composition, decided_at, forgiven_until
    FROM given JOIN {decisions} AS stored USING (address_key)
),
bad AS (
    SELECT stored.address, {bounce} AS kind, bounce_code AS word, status_at AS at, created_at AS other,
        server_composition
    FROM given, LATERAL (
        SELECT * FROM {mail} WHERE address = given.address AND bounce_event_id IS NOT NULL OFFSET 0
    ) AS stored
    UNION ALL
    SELECT stored.address, {block}, '{blocked}', occurred_at, received_at, server_composition
    FROM given, LATERAL (SELECT * FROM {blocks} WHERE address = given.address OFFSET 0) AS stored
    UNION ALL
    SELECT place, {decision}, kind || ' ' || reason, since, until, server_composition
    FROM decided WHERE kind = '{kept}'
)
SELECT place, {decision} AS kind, kind || ' ' || reason AS word, decided_at AS at, until AS other,
    server_composition, forgiven_until AS good
FROM decided WHERE kind <> '{kept}'
UNION ALL
SELECT bad.*, (
    SELECT max(status_at) FROM {mail}
    WHERE address = bad.address AND status || '' = '{succeeded}' AND created_at >= %s AND status_at <= %s
        AND (bad.word NOT IN ({listed}) OR server_composition = bad.server_composition)
)
FROM bad
"""

# With a join on the addresses, SQLite would first read the whole index of bounces, for a Bloom filter.
# Without the plus, it reads all succeeded mails if ANALYZE was never run.
_SQLITE = """
WITH given AS (
    SELECT json_extract(value, '$.address') AS address, json_extract(value, '$.id') AS address_key
    FROM json_each(%s)
),
decided AS MATERIALIZED (
    SELECT given.address AS place, stored.*
    FROM given CROSS JOIN {decisions} AS stored ON stored.address_key = given.address_key
),
bad AS (
    SELECT address, {bounce} AS kind, bounce_code AS word, status_at AS at, created_at AS other,
        server_composition
    FROM {mail} WHERE address IN (SELECT address FROM given) AND bounce_event_id IS NOT NULL
    UNION ALL
    SELECT address, {block}, '{blocked}', occurred_at, received_at, server_composition
    FROM {blocks} WHERE address IN (SELECT address FROM given)
    UNION ALL
    SELECT place, {decision}, kind || ' ' || reason, since, until, server_composition
    FROM decided WHERE kind = '{kept}'
)
SELECT place, {decision} AS kind, kind || ' ' || reason AS word, decided_at AS at, until AS other,
    server_composition, forgiven_until AS good
FROM decided WHERE kind <> '{kept}'
UNION ALL
SELECT bad.*, (
    SELECT max(status_at) FROM {mail} AS stored
    WHERE address = bad.address AND +status = '{succeeded}' AND created_at >= %s AND status_at <= %s
        AND (bad.word NOT IN ({listed}) OR stored.server_composition = bad.server_composition)
)
FROM bad
"""

# MariaDB compares JSON_UNQUOTE in the charset and collation of the column, so it uses the index whatever
# these are. Where a collation treats é and e as equal, HEX distinguishes them.
_MARIADB = """
WITH given AS (
    SELECT JSON_UNQUOTE(address) AS address, CAST(id AS uuid) AS address_key FROM JSON_TABLE(
        %s, '$[*]' COLUMNS (address JSON PATH '$.address', id CHAR(32) PATH '$.id')
    ) AS parsed
),
decided AS (
    SELECT given.address AS place, kind, reason, since, until, server_composition, decided_at, forgiven_until
    FROM given STRAIGHT_JOIN {decisions} AS stored ON stored.address_key = given.address_key
),
bad AS (
    SELECT stored.address, {bounce} AS kind, bounce_code AS word, status_at AS at, created_at AS other,
        server_composition
    FROM given STRAIGHT_JOIN {mail} AS stored FORCE INDEX (cmc_mail_bounced) ON stored.address = given.address
    WHERE bounce_event_id IS NOT NULL AND {same}
    UNION ALL
    SELECT stored.address, {block}, '{blocked}', occurred_at, received_at, server_composition
    FROM given STRAIGHT_JOIN {blocks} AS stored ON stored.address = given.address WHERE {same}
    UNION ALL
    SELECT place, {decision}, CONCAT(kind, ' ', reason), since, until, server_composition
    FROM decided WHERE kind = '{kept}'
)
SELECT place, {decision} AS kind, CONCAT(kind, ' ', reason) AS word, decided_at AS at, until AS other,
    server_composition, forgiven_until AS good
FROM decided WHERE kind <> '{kept}'
UNION ALL
SELECT bad.*, (
    SELECT max(status_at) FROM {mail} AS stored
    WHERE address = bad.address AND HEX(address) = HEX(bad.address) AND status = '{succeeded}'
        AND created_at >= %s AND status_at <= %s
        AND (bad.word NOT IN ({listed}) OR HEX(server_composition) = HEX(bad.server_composition))
)
FROM bad
"""
_SAME = "HEX(CONVERT(stored.address USING utf8mb4)) = HEX(given.address)"

_STATEMENTS = {"postgresql": _POSTGRESQL, "sqlite": _SQLITE, "mysql": _MARIADB}


class AddressFact(NamedTuple):
    """A row of the result: one fact about one address.

    `word` is the code of a bounce, the reason of a block, the status of a success, or the kind and the reason
    of a decision, with a blank between them. `other` is the time of receipt (None for a success), or the end
    of a decision. `composition` is the server composition. A success without one (None) is the latest in any.
    """

    address: str
    kind: int
    word: str
    at: datetime
    other: datetime | None
    composition: str | None
    forgiven_until: datetime | None


def load(using: str, addresses: Collection[str], between: tuple[datetime, datetime]) -> Iterable[AddressFact]:
    """Return the known facts about these addresses, in any order.

    Of successes, only the latest ones of each address with a bounce, a block or a kept reason are returned,
    for each server composition that matters: up to the end of `between` (stored times), of mails whose first
    event was received since its start. Where the collation treats é and e as equal, rows of similar addresses
    may be included.
    """
    sql = sql_statement(connections[using]) if app_settings.raw_sql else None
    if sql is None:
        return _by_orm(using, addresses, between)
    return [AddressFact(*row) for row in rows_by_sql(using, sql, addresses, between)]


def sql_statement(connection: BaseDatabaseWrapper) -> str | None:
    """Return the query for this database, or None if there is none, as for MySQL."""
    if connection.vendor not in _STATEMENTS or getattr(connection, "mysql_is_mariadb", True) is False:
        return None
    quote = connection.ops.quote_name
    kept = f"{Suppression.Kinds.KEPT.value} "
    listed = [*_LISTED, *(kept + word for word in _LISTED)]
    return _STATEMENTS[connection.vendor].format(
        mail=quote(Mail._meta.db_table),
        blocks=quote(BlockEvent._meta.db_table),
        decisions=quote(Suppression._meta.db_table),
        decision=DECISION,
        bounce=BOUNCE,
        block=BLOCK,
        kept=Suppression.Kinds.KEPT.value,
        blocked=Suppression.Reasons.BLOCKED.value,
        succeeded=DeliveryStatus.SUCCEEDED.value,
        listed=", ".join(f"'{word}'" for word in listed),
        same=_SAME,
    )


def rows_by_sql(
    using: str, sql: str, addresses: Collection[str], between: tuple[datetime, datetime]
) -> list[tuple[Any, ...]]:
    """Run the query; return rows with the fields of `AddressFact`. Addresses have no line breaks."""
    connection = connections[using]
    keyed = [(wire.address_key_hex(address), address) for address in addresses]
    if connection.vendor == "postgresql":  # it parses lines faster than JSON
        given = "\n".join([f"{key}{address}" for key, address in keyed])
    else:
        given = json.dumps([{"id": key, "address": address} for key, address in keyed], ensure_ascii=False)
    created_at: Any = Mail._meta.get_field("created_at")
    read = reading(created_at, connection)
    bounds = [created_at.get_db_prep_value(moment, connection) for moment in between]
    facts: list[tuple[Any, ...]] = []
    successes = {}
    with connection.cursor() as cursor:
        cursor.execute(sql, [given, *bounds])
        for place, kind, word, at, other, composition, good in cursor.fetchall():
            is_decided = kind == DECISION and not word.startswith(_KEPT)
            forgiven_until = read(good) if is_decided else None
            facts.append((place, kind, word, read(at), read(other), composition, forgiven_until))
            if not is_decided and good is not None:
                successes[place, composition if word.removeprefix(_KEPT) in _LISTED else None] = read(good)
    succeeded = DeliveryStatus.SUCCEEDED.value
    return facts + [
        (place, SUCCESS, succeeded, at, None, composition, None)
        for (place, composition), at in successes.items()
    ]


_KEPT = f"{Suppression.Kinds.KEPT.value} "


def _by_orm(
    using: str, addresses: Collection[str], between: tuple[datetime, datetime]
) -> Iterator[AddressFact]:
    keys = defaultdict[UUID, list[str]](list)
    for address in addresses:
        keys[wire.address_key(address)].append(address)
    mails = Mail.objects.using(using).filter(address__in=addresses).order_by()
    bounced = mails.exclude(bounce_event_id=None).annotate(kind_=Value(BOUNCE))
    blocked = BlockEvent.objects.using(using).filter(address__in=addresses).order_by()
    bad = Q(address__in=bounced.values("address")) | Q(address__in=blocked.values("address"))
    decided = Suppression._default_manager.using(using).filter(address_key__in=keys).order_by()
    none = Cast(Value(None), DateTimeField())
    columns = ("kind_", "word", "at", "other", "server_composition", "good")
    rows: Any = (
        decided.annotate(
            place=Cast("address_key", CharField()),
            kind_=Value(DECISION),
            word=Concat("kind", Value(" "), "reason"),
            at=Coalesce("since", "decided_at"),
            other=F("until"),
            good=F("forgiven_until"),
        )
        .values_list("place", *columns)
        .union(
            bounced.annotate(
                word=F("bounce_code"), at=F("status_at"), other=F("created_at"), good=none
            ).values_list("address", *columns),
            blocked.annotate(
                kind_=Value(BLOCK),
                word=_text(Suppression.Reasons.BLOCKED),
                at=F("occurred_at"),
                other=F("received_at"),
                good=none,
            ).values_list("address", *columns),
            _successes(mails.filter(bad), between).annotate(good=none).values_list("address", *columns),
            all=True,
        )
    )
    kept = set[str]()
    for place, kind, *rest in rows:
        for address in keys[UUID(place)] if kind == DECISION else [place]:
            yield AddressFact(address, kind, *rest)
            if kind == DECISION and rest[0].startswith(_KEPT):
                kept.add(address)
    if kept:
        for place, kind, *rest in _successes(mails.filter(address__in=kept), between).values_list(
            "address", *columns[:-1]
        ):
            yield AddressFact(*(place, kind, *rest, None))


def _successes(mails: QuerySet[Mail], between: tuple[datetime, datetime]) -> QuerySet[Any]:
    """Return the latest success of each address and composition; é is not e, whatever the collation."""
    since, until = between
    succeeded = mails.filter(status=DeliveryStatus.SUCCEEDED, created_at__gte=since, status_at__lte=until)
    by_letters = succeeded.values(
        "address",
        "server_composition",
        letters=MD5("address"),
        letters_of_composition=MD5("server_composition"),
    )
    return by_letters.annotate(
        kind_=Value(SUCCESS),
        word=_text(DeliveryStatus.SUCCEEDED),
        at=Max("status_at"),
        other=Cast(Value(None), DateTimeField()),
    )


def _text(text: str) -> Value:
    return Value(str(text), output_field=CharField())
