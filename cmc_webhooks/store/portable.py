"""The portable way: by the ORM, on any database. It is the reference for the fast ones.

Nothing is read before the mails are written and locked; from there on, what is read is exact, so no rival
makes it fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmc_webhooks.models import Mail
from cmc_webhooks.store.counted import count
from cmc_webhooks.store.sets import MERGED, by_key, insert, known_keys, upsert
from cmc_webhooks.store.ways import Way

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from cmc_webhooks.models import BlockEvent, MailCount, MailEvent, Notification

# Equal in every row with one key, so that setting it again changes nothing.
_SAME = "server_composition"


class Portable(Way):
    """The ORM's statements."""

    def known(
        self, using: str, model: type[MailEvent | BlockEvent] | None, keys: Collection[UUID]
    ) -> set[UUID]:
        return known_keys(using, model, keys)

    def lock(
        self,
        using: str,
        mails: Iterable[Mail],
        model: type[MailEvent | BlockEvent] | None,
        keys: Collection[UUID],
        known_before: AbstractSet[UUID] | None,
    ) -> tuple[dict[UUID, Mail], AbstractSet[UUID]]:
        return lock_mails(using, mails), known_keys(using, model, keys)

    def write(
        self,
        using: str,
        notification: Notification,
        events: Iterable[MailEvent | BlockEvent],
        mails: Iterable[Mail],
        parts: Iterable[MailCount],
    ) -> None:
        insert(using, [notification])
        insert(using, events)
        update_mails(using, mails)
        count(using, parts)


WAY = Portable()


def lock_mails(using: str, mails: Iterable[Mail]) -> dict[UUID, Mail]:
    """The stored rows of these mails, by key, inserted where missing and locked until the transaction ends.

    The insert comes first: reading before writing makes SQLite fail with `database is locked`.
    """
    ordered = by_key(mails)
    if not ordered:
        return {}
    upsert(using, ordered, [_SAME])
    stored = Mail.objects.using(using).select_for_update().filter(pk__in=[mail.pk for mail in ordered])
    return {mail.pk: mail for mail in stored.order_by("pk")}


def update_mails(using: str, mails: Iterable[Mail]) -> None:
    """Write what merging changed; one upsert, since `bulk_update` costs four times the rest of a batch."""
    upsert(using, by_key(mails), MERGED)
