"""The dead rows of the outbox: they are deleted, or replaced by rows that are pending again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connections

from cmc_webhooks.db import transactions
from cmc_webhooks.models import PendingSignal
from cmc_webhooks.store import outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from django.db.models import QuerySet


def delete(using: str, keys: Sequence[UUID]) -> list[PendingSignal]:
    """Delete those of these rows that are still dead, and return them."""
    return replace(using, keys, lambda dead: [])


def replace(
    using: str,
    keys: Sequence[UUID],
    successors: Callable[[list[PendingSignal]], Sequence[PendingSignal]],
) -> list[PendingSignal]:
    """Delete those of these rows that are still dead, insert their successors, and return the deleted rows.

    Both happen in one transaction. Of concurrent callers, one replaces a row.
    """
    with transactions.atomic(using):
        dead = list(_lock(using, keys))
        if dead:
            outbox.enqueue(using, successors(dead))
            _still_dead(using, [row.pk for row in dead]).delete()
    return dead


def _lock(using: str, keys: Sequence[UUID]) -> QuerySet[PendingSignal]:
    rows = _still_dead(using, keys)
    if not connections[using].features.has_select_for_update:
        rows.update(state=PendingSignal.States.DEAD)  # locks the database: a read first may fail later
    return rows.select_for_update().order_by("pk")


def _still_dead(using: str, keys: Sequence[UUID]) -> QuerySet[PendingSignal]:
    return PendingSignal._default_manager.using(using).filter(pk__in=keys, state=PendingSignal.States.DEAD)
