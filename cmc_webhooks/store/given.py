"""SQL of our own for what is told of many addresses, which come in one parameter.

The ORM names each of 1,000 addresses four times, which takes the client longer than the server. A statement
begins at the addresses given, and its form lets no planner read mails and blocks otherwise. Successes are
asked for only of addresses that have something to forgive: `good` is the latest one of the address of a
bounce or block, and of a decision what it forgives.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.db import connections

from cmc_webhooks import wire
from cmc_webhooks.models import BlockEvent, Mail, Suppression
from cmc_webhooks.status import BounceClass, DeliveryStatus
from cmc_webhooks.store.sets import reading

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from django.db.backends.base.base import BaseDatabaseWrapper

DECISION, BOUNCE, BLOCK, SUCCESS = range(4)

_POSTGRESQL = """
WITH given AS MATERIALIZED (
    SELECT substr(line, 33) AS address, left(line, 32)::uuid AS id FROM string_to_table(%s, E'\\n') AS line
),
bad AS (
    SELECT stored.address, {bounce} AS kind, bounce_code AS word, status_at AS at, created_at AS other
    FROM given, LATERAL (
        SELECT * FROM {mail} WHERE address = given.address AND bounce_event_id IS NOT NULL OFFSET 0
    ) AS stored
    UNION ALL
    SELECT stored.address, {block}, '{suppressed}', occurred_at, received_at
    FROM given, LATERAL (SELECT * FROM {blocks} WHERE address = given.address OFFSET 0) AS stored
)
SELECT given.address AS place, {decision} AS kind, kind AS word, decided_at AS at, until AS other,
    forgiven_until AS good
FROM given JOIN {decisions} AS stored USING (id)
UNION ALL
SELECT bad.*, (
    SELECT max(status_at) FROM {mail}
    WHERE address = bad.address AND status = '{succeeded}' AND created_at >= %s AND status_at <= %s
)
FROM bad
"""

# Joined, the addresses would make SQLite read the whole index of bounces first, for a Bloom filter; without
# the plus it reads all that succeeded, where nobody ran ANALYZE.
_SQLITE = """
WITH given AS (
    SELECT json_extract(value, '$.address') AS address, json_extract(value, '$.id') AS id FROM json_each(%s)
),
bad AS (
    SELECT address, {bounce} AS kind, bounce_code AS word, status_at AS at, created_at AS other
    FROM {mail} WHERE address IN (SELECT address FROM given) AND bounce_event_id IS NOT NULL
    UNION ALL
    SELECT address, {block}, '{suppressed}', occurred_at, received_at
    FROM {blocks} WHERE address IN (SELECT address FROM given)
)
SELECT given.address AS place, {decision} AS kind, kind AS word, decided_at AS at, until AS other,
    forgiven_until AS good
FROM given CROSS JOIN {decisions} AS stored ON stored.id = given.id
UNION ALL
SELECT bad.*, (
    SELECT max(status_at) FROM {mail}
    WHERE address = bad.address AND +status = '{succeeded}' AND created_at >= %s AND status_at <= %s
)
FROM bad
"""

# JSON_UNQUOTE is compared as the column that it meets, by its index, whatever charset and collation that has.
# Where a collation takes é for e, HEX tells them apart.
_MARIADB = """
WITH given AS (
    SELECT JSON_UNQUOTE(address) AS address, CAST(id AS uuid) AS id FROM JSON_TABLE(
        %s, '$[*]' COLUMNS (address JSON PATH '$.address', id CHAR(32) PATH '$.id')
    ) AS parsed
),
bad AS (
    SELECT stored.address, {bounce} AS kind, bounce_code AS word, status_at AS at, created_at AS other
    FROM given STRAIGHT_JOIN {mail} AS stored FORCE INDEX (cmc_mail_bounced) ON stored.address = given.address
    WHERE bounce_event_id IS NOT NULL AND {same}
    UNION ALL
    SELECT stored.address, {block}, '{suppressed}', occurred_at, received_at
    FROM given STRAIGHT_JOIN {blocks} AS stored ON stored.address = given.address WHERE {same}
)
SELECT given.address AS place, {decision} AS kind, kind AS word, decided_at AS at, until AS other,
    forgiven_until AS good
FROM given STRAIGHT_JOIN {decisions} AS stored ON stored.id = given.id
UNION ALL
SELECT bad.*, (
    SELECT max(status_at) FROM {mail} AS stored
    WHERE address = bad.address AND HEX(address) = HEX(bad.address) AND status = '{succeeded}'
        AND created_at >= %s AND status_at <= %s
)
FROM bad
"""
_SAME = "HEX(CONVERT(stored.address USING utf8mb4)) = HEX(given.address)"

_STATEMENTS = {"postgresql": _POSTGRESQL, "sqlite": _SQLITE, "mysql": _MARIADB}


def statement(connection: BaseDatabaseWrapper) -> str | None:
    """The statement for this database; None if there is none."""
    if connection.vendor not in _STATEMENTS or getattr(connection, "mysql_is_mariadb", True) is False:
        return None
    quote = connection.ops.quote_name
    return _STATEMENTS[connection.vendor].format(
        mail=quote(Mail._meta.db_table),
        blocks=quote(BlockEvent._meta.db_table),
        decisions=quote(Suppression._meta.db_table),
        decision=DECISION,
        bounce=BOUNCE,
        block=BLOCK,
        suppressed=BounceClass.SUPPRESSED.value,
        succeeded=DeliveryStatus.SUCCEEDED.value,
        same=_SAME,
    )


def rows(
    using: str, sql: str, addresses: Collection[str], between: tuple[datetime, datetime]
) -> list[tuple[Any, ...]]:
    """What that statement finds, as `told.Told` has it; no address has a line break."""
    connection = connections[using]
    keyed = [(wire.address_key_hex(address), address) for address in addresses]
    if connection.vendor == "postgresql":  # parses lines in less time than JSON
        given = "\n".join([f"{key}{address}" for key, address in keyed])
    else:
        given = json.dumps([{"id": key, "address": address} for key, address in keyed], ensure_ascii=False)
    created_at: Any = Mail._meta.get_field("created_at")
    read = reading(created_at, connection)
    bounds = [created_at.get_db_prep_value(moment, connection) for moment in between]
    told: list[tuple[Any, ...]] = []
    successes = {}
    with connection.cursor() as cursor:
        cursor.execute(sql, [given, *bounds])
        for place, kind, word, at, other, good in cursor.fetchall():
            forgiven_until = read(good) if kind == DECISION else None
            told.append((place, kind, word, read(at), read(other), forgiven_until))
            if kind != DECISION and good is not None:
                successes[place] = read(good)
    succeeded = DeliveryStatus.SUCCEEDED.value
    return told + [(place, SUCCESS, succeeded, at, None, None) for place, at in successes.items()]
