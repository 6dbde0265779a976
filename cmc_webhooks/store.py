"""All writes: sets of rows, sorted by key, so that rival batches queue up instead of deadlocking.

`ignore_conflicts` is not used: it deadlocks MariaDB, drops rows with any error on SQLite and cuts text on
MariaDB. An upsert that changes nothing takes its place.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.db import connections, router

from cmc_webhooks import durable
from cmc_webhooks.models import DomainCount, Mail, MailCount, PendingSignal, RejectedEvent
from cmc_webhooks.querysets import exactly

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import date, datetime
    from uuid import UUID

    from django.db.models import Model

__all__ = [
    "MAX_OPEN_REJECTIONS",
    "alias",
    "claim",
    "count",
    "forget",
    "insert",
    "known_keys",
    "lock_mails",
    "owe",
    "reject",
    "replace_domain_counts",
    "resolve",
    "settle",
    "take_counts",
    "take_domain_counts",
    "update_mails",
]

logger = logging.getLogger(__name__)

MAX_OPEN_REJECTIONS = 10_000

# Equal in every row with one key, so that setting it again changes nothing.
_SAME_IN_MAILS = "server_composition"
_SAME_IN_REJECTIONS = "event_type"
_MERGED = (
    "header_from",
    "return_path",
    "subject",
    "api_data",
    "status",
    "previous_status",
    "delivery_status",
    "delivery_event_id",
    "bounce_code",
    "bounce_event_id",
    "status_at",
    "reason",
    "version",
    "first_event_at",
    "last_event_at",
)


def alias() -> str:
    """The database that everything of this app is written to, and read from where it must be exact."""
    return router.db_for_write(Mail)


def known_keys(using: str, model: type[Model], keys: Collection[UUID]) -> set[UUID]:
    """Those of `keys` that `model` has rows for."""
    return set(model._default_manager.using(using).filter(pk__in=keys).values_list("pk", flat=True))


def lock_mails(using: str, mails: Iterable[Mail]) -> dict[UUID, Mail]:
    """The stored rows of these mails, by key, inserted where missing and locked until the transaction ends.

    The insert comes first: reading before writing makes SQLite fail with `database is locked`.
    """
    ordered = _by_key(mails)
    if not ordered:
        return {}
    _upsert(using, ordered, [_SAME_IN_MAILS])
    stored = Mail.objects.using(using).select_for_update().filter(pk__in=[mail.pk for mail in ordered])
    return {mail.pk: mail for mail in stored.order_by("pk")}


def insert(using: str, rows: Iterable[Model]) -> None:
    """Insert new rows of one model, in key order."""
    ordered = _by_key(rows)
    if ordered:
        type(ordered[0])._default_manager.using(using).bulk_create(ordered)


def update_mails(using: str, mails: Iterable[Mail]) -> None:
    """Write what merging changed; one upsert, since `bulk_update` costs four times the rest of a batch."""
    _upsert(using, _by_key(mails), _MERGED)


def reject(using: str, rejections: Iterable[RejectedEvent]) -> None:
    """Keep these rejected events; those known already stay as they are, and a flood is only logged."""
    ordered = _by_key({rejection.pk: rejection for rejection in rejections}.values())
    if not ordered:
        return
    still_open = RejectedEvent._default_manager.using(using).filter(resolved_at=None)
    if still_open[: MAX_OPEN_REJECTIONS + 1].count() >= MAX_OPEN_REJECTIONS:
        logger.warning("%d rejected events are open: no more are kept", MAX_OPEN_REJECTIONS)
        return
    _upsert(using, ordered, [_SAME_IN_REJECTIONS])


def owe(using: str, pending: Sequence[PendingSignal]) -> None:
    """Insert rows of the outbox. They come in key order.

    Django sends such rows to PostgreSQL as arrays, where each quote of their JSON is escaped once more: with
    200 signals that takes thrice the time of plain rows.
    """
    if connections[using].vendor == "postgresql":
        _insert_plainly(using, pending)
    else:
        insert(using, pending)


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
    _insert_plainly(using, _by_key(parts), then)


def claim(using: str, now_ms: int, lease_ms: int) -> PendingSignal | None:
    """The row of the outbox that is due first, leased to the caller, with one attempt more; None if none is.

    Rivals skip each other's rows where the database can; elsewhere the count of attempts tells them apart.
    """
    pending = PendingSignal._default_manager.using(using)
    due = pending.filter(state=PendingSignal.States.PENDING, available_at__lte=now_ms)
    if not due.exists():
        return None
    with durable.atomic(using):
        if connections[using].features.has_select_for_update_skip_locked:
            due = due.select_for_update(skip_locked=True)
        row = due.order_by("available_at", "pk").first()
        if row is None:
            return None
        mine = pending.filter(pk=row.pk, attempts=row.attempts)
        row.attempts, row.available_at = row.attempts + 1, now_ms + lease_ms
        taken = mine.update(attempts=row.attempts, available_at=row.available_at)
    return row if taken else claim(using, now_ms, lease_ms)


def settle(using: str, sent: PendingSignal, owed: Sequence[PendingSignal]) -> bool:
    """Replace a row whose signals were sent by rows for those still owed; False if another took it over."""
    mine = PendingSignal._default_manager.using(using).filter(pk=sent.pk, attempts=sent.attempts)
    if not owed:
        return bool(mine.delete()[0])
    with durable.atomic(using):
        still_mine = bool(mine.delete()[0])
        if still_mine:
            insert(using, owed)
    return still_mine


def forget(using: str, sent: Sequence[PendingSignal]) -> None:
    """Delete rows of one lease whose signals were all sent, but for those that another took over."""
    if sent:
        keys, attempts = [row.pk for row in sent], sent[0].attempts
        PendingSignal._default_manager.using(using).filter(pk__in=keys, attempts=attempts).delete()


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
    stored = DomainCount._default_manager.using(using)
    first = domains[0]
    stored.filter(day=first.day, server_composition=first.server_composition).exclude(pk__in=keys).delete()
    _upsert(using, _by_key(domains), ("mails", "succeeded", "failed", "bounced", "latencies", "rolled_up_at"))


def resolve(using: str, rejected: RejectedEvent, moment: datetime) -> None:
    """Note that a rejected event was read and stored after all."""
    RejectedEvent._default_manager.using(using).filter(pk=rejected.pk).update(resolved_at=moment)


def _insert_plainly(using: str, rows: Sequence[Model], then: str = "") -> None:
    """One INSERT of these rows of one model as they are; `then` is what follows its values."""
    if not rows:
        return
    connection = connections[using]
    meta = rows[0]._meta
    fields: Sequence[Any] = meta.concrete_fields
    quote = connection.ops.quote_name
    columns = ", ".join(quote(field.column) for field in fields)
    places = ", ".join([f"({', '.join(['%s'] * len(fields))})"] * len(rows))
    values = [
        field.get_db_prep_save(getattr(row, field.attname), connection) for row in rows for field in fields
    ]
    sql = f"INSERT INTO {quote(meta.db_table)} ({columns}) VALUES {places} {then}"  # noqa: S608 - names only
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


def _by_key(rows: Iterable[Any]) -> list[Any]:
    return sorted(rows, key=lambda row: row.pk)


def _upsert(using: str, rows: list[Any], fields: Sequence[str]) -> None:
    if not rows:
        return
    targeted = connections[using].features.supports_update_conflicts_with_target
    type(rows[0])._default_manager.using(using).bulk_create(
        rows, update_conflicts=True, update_fields=fields, unique_fields=["id"] if targeted else None
    )
