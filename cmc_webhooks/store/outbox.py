"""The outbox: signals that are owed, claimed, settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connections

from cmc_webhooks import durable
from cmc_webhooks.models import PendingSignal
from cmc_webhooks.store.sets import insert, insert_plainly

if TYPE_CHECKING:
    from collections.abc import Sequence


def owe(using: str, pending: Sequence[PendingSignal]) -> None:
    """Insert rows of the outbox. They come in key order.

    Django sends such rows to PostgreSQL as arrays, where each quote of their JSON is escaped once more: with
    200 signals that takes thrice the time of plain rows.
    """
    if connections[using].vendor == "postgresql":
        insert_plainly(using, pending)
    else:
        insert(using, pending)


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
