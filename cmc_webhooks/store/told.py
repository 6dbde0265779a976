"""What is told of many addresses, by one statement: bounces, blocks, decisions, and later successes.

By the ORM here, the reference, or by SQL of our own: see `given`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.db import connections
from django.db.models import CharField, DateTimeField, Max, Q, Value
from django.db.models.functions import MD5, Cast

from cmc_webhooks import wire
from cmc_webhooks.conf import app_settings
from cmc_webhooks.models import BlockEvent, Mail, Suppression
from cmc_webhooks.status import BounceClass, DeliveryStatus
from cmc_webhooks.store import given
from cmc_webhooks.store.given import BLOCK, BOUNCE, DECISION, SUCCESS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import datetime

__all__ = ["BLOCK", "BOUNCE", "DECISION", "SUCCESS", "Told", "told_of"]


class Told(NamedTuple):
    """One row: of which address, of what kind, and what.

    `word` is a bounce code, a status or what was decided; `other` is the receipt, or the end of a decision.
    """

    address: str
    kind: int
    word: str
    at: datetime
    other: datetime | None
    forgiven_until: datetime | None


def told_of(using: str, addresses: Collection[str], between: tuple[datetime, datetime]) -> Iterable[Told]:
    """What is told of these addresses, in any order.

    Successes are the latest of each address before the end of `between` (as stored), of mails whose first
    event was received after its start. Where the collation takes é for e, rows of addresses alike are among
    them.
    """
    sql = given.statement(connections[using]) if app_settings.raw_sql else None
    if sql is None:
        return _by_orm(using, addresses, between)
    return [Told(*row) for row in given.rows(using, sql, addresses, between)]


def _by_orm(using: str, addresses: Collection[str], between: tuple[datetime, datetime]) -> Iterator[Told]:
    keys = defaultdict[UUID, list[str]](list)
    for address in addresses:
        keys[wire.address_key(address)].append(address)
    mails = Mail.objects.using(using).filter(address__in=addresses).order_by()
    bounced = mails.exclude(bounce_event_id=None).annotate(kind_=Value(BOUNCE))
    blocked = BlockEvent.objects.using(using).filter(address__in=addresses).order_by()
    bad = Q(address__in=bounced.values("address")) | Q(address__in=blocked.values("address"))
    since, until = between
    succeeded = mails.filter(
        bad, status=DeliveryStatus.SUCCEEDED, created_at__gte=since, status_at__lte=until
    )
    by_letters = succeeded.values("address", letters=MD5("address"))  # é is not e, whatever the collation
    decided = Suppression._default_manager.using(using).filter(pk__in=keys).order_by()
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
            by_letters.annotate(
                kind_=Value(SUCCESS), word=_text(DeliveryStatus.SUCCEEDED), at=Max("status_at"), none=none
            ).values_list("address", "kind_", "word", "at", "none", "none"),
            all=True,
        )
    )
    for place, kind, *rest in rows:
        for address in keys[UUID(place)] if kind == DECISION else [place]:
            yield Told(address, kind, *rest)


def _text(text: str) -> Value:
    return Value(str(text), output_field=CharField())
