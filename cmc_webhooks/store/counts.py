"""The counts that are kept beside the mails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connections

from cmc_webhooks.models import DomainCount, MailCount
from cmc_webhooks.querysets import exactly
from cmc_webhooks.store.sets import by_key, insert, insert_plainly, upsert

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date, datetime


def count(using: str, parts: Iterable[MailCount]) -> None:
    """Add these parts to the stored counts, in key order; last in a transaction, since rivals wait."""
    if connections[using].vendor == "mysql":
        then = "ON DUPLICATE KEY UPDATE number = number + VALUES(number), changed_at = VALUES(changed_at)"
    else:
        stored = connections[using].ops.quote_name(MailCount._meta.db_table)
        then = (
            f"ON CONFLICT (id) DO UPDATE SET number = {stored}.number + EXCLUDED.number,"
            " changed_at = EXCLUDED.changed_at"
        )
    insert_plainly(using, by_key(parts), then)


def take_counts(using: str, day: date, server_composition: str) -> list[MailCount]:
    """All parts of the counts of one day and composition, locked; those outside shard 0 are deleted.

    To be added again as parts of shard 0, inside the same transaction.
    """
    stored = MailCount._default_manager.using(using).filter(day=day)
    locked = exactly(stored.select_for_update().order_by("pk"), "server_composition", server_composition)
    parts = list(locked)
    split = [part.pk for part in parts if part.shard]
    if split:
        stored.filter(pk__in=split).delete()
    return parts


def take_domain_counts(using: str, mark: DomainCount, rolled_up_at: datetime | None) -> bool:
    """Lock a day's domain counts for their replacement; False if they are no longer as of `rolled_up_at`."""
    stored = DomainCount._default_manager.using(using)
    if rolled_up_at is None:
        if stored.filter(pk=mark.pk).exists():
            return False
        insert(using, [mark])
        return True
    mine = stored.filter(pk=mark.pk, rolled_up_at=rolled_up_at)
    return bool(mine.update(rolled_up_at=mark.rolled_up_at))


def replace_domain_counts(using: str, domains: Sequence[DomainCount]) -> None:
    """Put these rows, all of one day and composition, in the place of those there are."""
    keys = [row.pk for row in domains]
    first = domains[0]
    stored = DomainCount._default_manager.using(using).filter(day=first.day)
    exactly(stored, "server_composition", first.server_composition).exclude(pk__in=keys).delete()
    upsert(using, by_key(domains), ("mails", "succeeded", "failed", "bounced", "latencies", "rolled_up_at"))
