"""What is told of many addresses, by one statement: their bounces, blocks and decisions, and later successes.

The one read by SQL of our own: the ORM's statement names each of 1,000 addresses four times, which takes the
client longer than the server.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connections
from django.db.models import CharField, DateTimeField, Max, Q, Value
from django.db.models.functions import Cast

from cmc_webhooks.conf import app_settings
from cmc_webhooks.models import BlockEvent, Mail, Suppression
from cmc_webhooks.status import BounceClass, DeliveryStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

DECISION, BOUNCE, BLOCK, SUCCESS = range(4)

# Rows as `Told`, for addresses and keys of decisions in one JSON parameter. Successes are asked for only of
# addresses that have something to forgive.
_TOLD = """
WITH given AS (SELECT * FROM json_to_recordset(%s) AS r(address text, id uuid)),
bad AS MATERIALIZED (
    SELECT stored.address, {bounce} AS kind, bounce_code AS word, status_at AS at, created_at AS other
    FROM given, LATERAL (
        SELECT * FROM {mail} WHERE address = given.address AND bounce_event_id IS NOT NULL OFFSET 0
    ) AS stored
    UNION ALL
    SELECT stored.address, {block}, '{suppressed}', occurred_at, received_at
    FROM given, LATERAL (SELECT * FROM {blocks} WHERE address = given.address OFFSET 0) AS stored
)
SELECT stored.id::text AS place, {decision} AS kind, kind AS word, decided_at AS at, until AS other,
    forgiven_until
FROM given, LATERAL (SELECT * FROM {decisions} WHERE id = given.id OFFSET 0) AS stored
UNION ALL SELECT *, NULL FROM bad
UNION ALL
SELECT each.address, {success}, '{succeeded}', latest.at, NULL, NULL
FROM (SELECT DISTINCT address FROM bad) AS each, LATERAL (
    SELECT max(status_at) AS at FROM {mail}
    WHERE address = each.address AND status = '{succeeded}' AND created_at >= %s AND status_at <= %s
) AS latest
WHERE latest.at IS NOT NULL
"""


class Told(NamedTuple):
    """One row: of which address (a decision: the text of its key), of what kind, and what.

    `word` is a bounce code, a status or what was decided; `other` is the receipt, or the end of a decision.
    """

    place: str
    kind: int
    word: str
    at: datetime
    other: datetime | None
    forgiven_until: datetime | None


def told_of(using: str, addresses: Mapping[str, UUID], between: tuple[datetime, datetime]) -> Iterable[Told]:
    """What is told of these addresses, each with the key of its decision, in any order.

    Successes are the latest of each address before the end of `between` (as stored), of mails whose first
    event was received after its start. Where the collation takes é for e, rows of addresses alike are among
    them.
    """
    if app_settings.raw_sql and connections[using].vendor == "postgresql":
        return _by_json(using, addresses, between)
    return _by_orm(using, addresses, between)


def _by_json(using: str, addresses: Mapping[str, UUID], between: tuple[datetime, datetime]) -> list[Told]:
    quote = connections[using].ops.quote_name
    sql = _TOLD.format(
        mail=quote(Mail._meta.db_table),
        blocks=quote(BlockEvent._meta.db_table),
        decisions=quote(Suppression._meta.db_table),
        decision=DECISION,
        bounce=BOUNCE,
        block=BLOCK,
        success=SUCCESS,
        suppressed=BounceClass.SUPPRESSED.value,
        succeeded=DeliveryStatus.SUCCEEDED.value,
    )
    given = json.dumps([{"address": address, "id": key.hex} for address, key in addresses.items()])
    with connections[using].cursor() as cursor:
        cursor.execute(sql, [given, *between])
        return [Told(*row) for row in cursor.fetchall()]


def _by_orm(using: str, addresses: Mapping[str, UUID], between: tuple[datetime, datetime]) -> Iterable[Told]:
    mails = Mail.objects.using(using).filter(address__in=addresses).order_by()
    bounced = mails.exclude(bounce_event_id=None).annotate(kind_=Value(BOUNCE))
    blocked = BlockEvent.objects.using(using).filter(address__in=addresses).order_by()
    bad = Q(address__in=bounced.values("address")) | Q(address__in=blocked.values("address"))
    since, until = between
    succeeded = mails.filter(
        bad, status=DeliveryStatus.SUCCEEDED, created_at__gte=since, status_at__lte=until
    ).values("address")
    decided = Suppression._default_manager.using(using).filter(pk__in=addresses.values()).order_by()
    none = Cast(Value(None), DateTimeField())
    rows: Any = (
        decided.annotate(place=Cast("id", CharField()), kind_=Value(DECISION))
        .values_list("place", "kind_", "kind", "decided_at", "until", "forgiven_until")
        .union(
            bounced.annotate(none=none).values_list(
                "address", "kind_", "bounce_code", "status_at", "created_at", "none"
            ),
            blocked.annotate(kind_=Value(BLOCK), word=_text(BounceClass.SUPPRESSED), none=none).values_list(
                "address", "kind_", "word", "occurred_at", "received_at", "none"
            ),
            succeeded.annotate(
                kind_=Value(SUCCESS), word=_text(DeliveryStatus.SUCCEEDED), at=Max("status_at"), none=none
            ).values_list("address", "kind_", "word", "at", "none", "none"),
            all=True,
        )
    )
    return (Told(*row) for row in rows)


def _text(text: str) -> Value:
    return Value(str(text), output_field=CharField())
