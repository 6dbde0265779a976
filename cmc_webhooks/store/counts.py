"""Writes to the counts that are kept beside the mails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connections

from cmc_webhooks.db.text import exactly
from cmc_webhooks.models import DomainCount, MailCount
from cmc_webhooks.store.bulk import by_key, insert, insert_plainly, upsert

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date, datetime


_AT_ONCE = 500


def count(using: str, parts: Iterable[MailCount]) -> None:
    """Add these parts to the stored counts, in key order.

    Call it last in a transaction, since concurrent writers wait for these rows.
    """
    if connections[using].vendor == "mysql":
        then = "ON DUPLICATE KEY UPDATE number = number + VALUES(number), changed_at = VALUES(changed_at)"
    else:
        stored = connections[using].ops.quote_name(MailCount._meta.db_table)
        then = (
            f"ON CONFLICT (id) DO UPDATE SET number = {stored}.number + EXCLUDED.number,"
            " changed_at = EXCLUDED.changed_at"
        )
    ordered = by_key(parts)
    for start in range(0, len(ordered), _AT_ONCE):
        insert_plainly(using, ordered[start : start + _AT_ONCE], then)


def take_counts(using: str, day: date, server_composition: str) -> list[MailCount]:
    """Lock and return all parts of the counts of one day and composition, and delete those outside shard 0.

    The caller adds the deleted parts to shard 0 inside the same transaction.
    """
    stored = MailCount._default_manager.using(using).filter(day=day)
    locked = exactly(stored.select_for_update().order_by("pk"), "server_composition", server_composition)
    parts = list(locked)
    split = [part.pk for part in parts if part.shard]
    for start in range(0, len(split), _AT_ONCE):  # by key: another shard may have been inserted since
        stored.filter(pk__in=split[start : start + _AT_ONCE]).delete()
    return parts


def take_domain_counts(using: str, mark: DomainCount, rolled_up_at: datetime | None) -> bool:
    """Lock the domain counts of a day and composition for their replacement.

    Return False if they are no longer as of `rolled_up_at`, or exist although it is None.
    """
    stored = DomainCount._default_manager.using(using)
    if rolled_up_at is None:
        if stored.filter(pk=mark.pk).exists():
            return False
        insert(using, [mark])
        return True
    mine = stored.filter(pk=mark.pk, rolled_up_at=rolled_up_at)
    return bool(mine.update(rolled_up_at=mark.rolled_up_at))


def replace_domain_counts(using: str, domains: Sequence[DomainCount]) -> None:
    """Replace the stored domain counts of a day and composition by these rows, which all belong to it."""
    keys = [row.pk for row in domains]
    first = domains[0]
    stored = DomainCount._default_manager.using(using).filter(day=first.day)
    exactly(stored, "server_composition", first.server_composition).exclude(pk__in=keys).delete()
    upsert(using, by_key(domains), ("mails", "succeeded", "failed", "bounced", "latencies", "rolled_up_at"))
