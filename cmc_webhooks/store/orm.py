"""The portable `BatchWriter`: by the ORM, but for the counts, on every supported database.

It is the reference for the fast ones. Nothing is read before the mails are written and locked. From there on
reads are exact, so no concurrent transaction makes it fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmc_webhooks.models import Mail
from cmc_webhooks.models.mails import MERGED_FIELDS
from cmc_webhooks.store.base import BatchRows, BatchWriter, LockedRows, Lookup
from cmc_webhooks.store.bulk import by_key, insert, known_keys, upsert
from cmc_webhooks.store.counts import count

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from uuid import UUID

    from cmc_webhooks.models import BlockEvent, MailEvent

# The same in every row with the same key, so that setting it again changes nothing.
_SAME = "server_composition"


class Portable(BatchWriter):
    """The `BatchWriter` by statements of the ORM."""

    def known(
        self, using: str, model: type[MailEvent | BlockEvent] | None, keys: Collection[UUID]
    ) -> set[UUID]:
        return known_keys(using, model, keys)

    def lock(self, using: str, lookup: Lookup) -> LockedRows:
        mails = lock_mails(using, lookup.mails)
        return LockedRows(mails, known_keys(using, lookup.model, lookup.event_keys))

    def write(self, using: str, rows: BatchRows) -> None:
        insert(using, [rows.notification])
        insert(using, rows.events)
        update_mails(using, rows.mails)
        count(using, rows.counts)


WRITER = Portable()


def lock_mails(using: str, mails: Iterable[Mail]) -> dict[UUID, Mail]:
    """Insert missing mails, and return the stored rows of all by key, locked until the transaction ends.

    The insert comes first: reading before writing makes SQLite fail with `database is locked`.
    """
    ordered = by_key(mails)
    if not ordered:
        return {}
    upsert(using, ordered, [_SAME])
    stored = Mail.objects.using(using).select_for_update().filter(pk__in=[mail.pk for mail in ordered])
    return {mail.pk: mail for mail in stored.order_by("pk")}


def update_mails(using: str, mails: Iterable[Mail]) -> None:
    """Write the merged fields by an upsert: `bulk_update` costs four times as much as the rest of a batch."""
    upsert(using, by_key(mails), MERGED_FIELDS)
