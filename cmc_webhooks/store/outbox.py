"""The rows of the outbox: pending signals are inserted, claimed and completed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections

from cmc_webhooks.db import transactions
from cmc_webhooks.models import PendingSignal
from cmc_webhooks.store.bulk import insert, insert_plainly

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_PAUSE_MS = 2 * 3600 * 1000
"""More than the longest pause before a retry, see `dispatch.retries`, and than a lease."""


def enqueue(using: str, pending: Sequence[PendingSignal]) -> None:
    """Insert rows into the outbox. They come in key order.

    Django sends such rows to PostgreSQL as arrays, in which each quote of their JSON is escaped once more:
    with 200 signals that takes three times as long as plain rows.
    """
    if connections[using].vendor == "postgresql":
        insert_plainly(using, pending)
    else:
        insert(using, pending)


def claim(using: str, now_ms: int, lease_ms: int) -> PendingSignal | None:
    """Claim the outbox row that is due first: lease it to the caller and count an attempt.

    A row that is due later than the longest pause was enqueued while the clock of a host was wrong: it is due
    too, after all others.

    Return None if there is no row to claim. Concurrent callers skip each other's rows where the database can;
    elsewhere the number of attempts shows which of them claimed the row.
    """
    pending = PendingSignal._default_manager.using(using)
    waiting = pending.filter(state=PendingSignal.States.PENDING)
    due = waiting.filter(available_at__lte=now_ms)
    if not due.exists():
        due = waiting.filter(available_at__gt=now_ms + LONGEST_PAUSE_MS)
        if not due.exists():
            return None
    with transactions.atomic(using):
        if connections[using].features.has_select_for_update_skip_locked:
            due = due.select_for_update(skip_locked=True)
        row = due.order_by("available_at", "pk").first()
        if row is None:
            return None
        mine = pending.filter(pk=row.pk, attempts=row.attempts)
        row.attempts, row.available_at = row.attempts + 1, now_ms + lease_ms
        taken = mine.update(attempts=row.attempts, available_at=row.available_at)
    return row if taken else claim(using, now_ms, lease_ms)


def complete(using: str, sent: PendingSignal, enqueued: Sequence[PendingSignal]) -> bool:
    """Replace a row whose signals were sent by rows for those that are still pending.

    Return False if the row was claimed again or deleted since; then nothing is changed.
    """
    if not enqueued:
        return _delete(using, sent)
    with transactions.atomic(using):
        still_mine = _delete(using, sent)
        if still_mine:
            insert(using, enqueued)
    return still_mine


def _delete(using: str, row: PendingSignal) -> bool:
    """Delete a row unless it was claimed again. Return whether it was deleted.

    A request does this for each 25 signals. `QuerySet.delete` would take three statements, and a millisecond
    to write them.
    """
    connection = connections[using]
    quote = connection.ops.quote_name
    named: list[Any] = [PendingSignal._meta.get_field(name) for name in ("id", "attempts")]
    where = " AND ".join(f"{quote(field.column)} = %s" for field in named)
    values = [field.get_db_prep_value(getattr(row, field.attname), connection) for field in named]
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {quote(PendingSignal._meta.db_table)} WHERE {where}", values)  # noqa: S608 - names only
        return bool(cursor.rowcount)
