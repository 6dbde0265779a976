"""Writes to the counts of refused requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connections
from django.db.models import Q

from cmc_webhooks.models import RefusalCount
from cmc_webhooks.store.bulk import by_key, insert_plainly

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


def count(using: str, refused: Iterable[RefusalCount]) -> None:
    """Add these counts to the stored ones, in key order, by one statement."""
    connection = connections[using]
    quote = connection.ops.quote_name
    stored = quote(RefusalCount._meta.db_table)
    is_mysql = connection.vendor == "mysql"

    def given(name: str) -> str:
        return f"VALUES({quote(name)})" if is_mysql else f"EXCLUDED.{quote(name)}"

    def kept(name: str, compared: str) -> str:
        old = f"{stored}.{quote(name)}"
        return f"{quote(name)} = CASE WHEN {given(name)} {compared} {old} THEN {given(name)} ELSE {old} END"

    # `number` last but not used by the others: MySQL assigns from left to right
    sets = ", ".join(
        [
            kept("first_at", "<"),
            kept("last_at", ">"),
            f"{quote('number')} = {stored}.{quote('number')} + {given('number')}",
        ]
    )
    begin = "ON DUPLICATE KEY UPDATE" if is_mysql else "ON CONFLICT (id) DO UPDATE SET"
    insert_plainly(using, by_key(refused), f"{begin} {sets}")


def prune(using: str, before: datetime, after: datetime) -> int:
    """Delete the counts of hours before a time, and of hours after one in the future. Return their number."""
    counts = RefusalCount._default_manager.using(using)
    return counts.filter(Q(hour__lt=before) | Q(hour__gt=after)).delete()[0]
