"""Ingest of a notification: store its rows, merge its mails' status, enqueue signals about the changes."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from django.db import connections, transaction

from cmc_webhooks import dispatch, event_types, maintenance, wire
from cmc_webhooks.conf import app_settings
from cmc_webhooks.db import session, transactions
from cmc_webhooks.dispatch import calls
from cmc_webhooks.ingest import batch, quarantine
from cmc_webhooks.models import MailEvent, Notification, routing
from cmc_webhooks.statistics import deltas
from cmc_webhooks.store import bulk, changes, rejections, writers
from cmc_webhooks.store.base import BatchRows, ConcurrentInsert, Lookup

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from cmc_webhooks.models import BlockEvent, Mail
    from cmc_webhooks.store.base import BatchWriter

__all__ = ["Receipt", "receive", "take"]

logger = logging.getLogger(__name__)

WEBHOOK = Notification.Sources.WEBHOOK.value
MANY = 10
"""The least number of events that are looked up before locking. For fewer, locks cost less than the query."""
TRIES = 20
"""Optimistic attempts before falling back to the locking writer.

Each failed attempt finds more of the batch's rows stored, so the attempts end soon. The locking writer locks
in another order: used alongside it, PostgreSQL found dozens of deadlocks in 20,000 events that were shuffled
between two workers.
"""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The numbers of a notification's events that were new, already stored, and impossible to store.

    Only these counts decide whether two receipts are equal. The receipt also has the new rows, and the
    seconds that storing them took.
    """

    new: int
    repeated: int
    rejected: int
    event_type: str = field(default="", compare=False)
    server_composition: str = field(default="", compare=False)
    events: Sequence[MailEvent | BlockEvent] = field(default=(), compare=False, repr=False)
    seconds: float = field(default=0.0, compare=False)

    def plus(self, other: Receipt) -> Receipt:
        """Return the sums of two receipts, with the event type of this one."""
        return replace(
            self,
            new=self.new + other.new,
            repeated=self.repeated + other.repeated,
            rejected=self.rejected + other.rejected,
            events=(*self.events, *other.events),
            seconds=self.seconds + other.seconds,
        )


def receive(frame: wire.Frame, *, received_at: datetime | None = None, source: str = WEBHOOK) -> Receipt:
    """Store the events of an authenticated frame and dispatch their signals. All is committed on return.

    Other lists of events that the frame holds are stored too, each in a transaction. The receipt counts all.

    `received_at` is aware and defaults to now. `source` is one of `Notification.Sources`. Do not call this
    inside a transaction.

    Raises:
        wire.BadBody: the frame is not a valid notification.
        wire.TooManyEvents: it has more events than `CMC_WEBHOOKS_MAX_EVENTS`.
        transactions.Unavailable: the database is unavailable. Nothing was stored.
    """
    sent = wire.read(frame, event_types.RECORD_TYPES, app_settings.max_events)
    receipt = take(sent, received_at=received_at, source=source)
    for other in sent.beside:
        receipt = receipt.plus(take(other, received_at=received_at, source=source))
    return receipt


def take(sent: wire.Notification, *, received_at: datetime | None = None, source: str = WEBHOOK) -> Receipt:
    """Store a notification that was read before, as `receive` does.

    Raises:
        transactions.Unavailable: the database is unavailable. Nothing was stored.
    """
    started = time.perf_counter()
    ready = batch.Batch.of(sent, received_at or datetime.now(UTC), source)
    using = routing.write_alias()
    try:
        receipt = transactions.run(using, partial(_store, using, ready))
    except transactions.Unstorable as error:
        logger.warning(
            "The database refused an event (%s): looking for it",
            error,
            extra={"cmc_event": "event_unstorable", "error": str(error)},
        )
        ready = quarantine.quarantine_unstorable(ready, partial(_fits, using))
        receipt = _store_for_good(using, ready)
    receipt = replace(receipt, seconds=time.perf_counter() - started)
    _log(receipt, ready.sent.rejections)
    return receipt


def _log(receipt: Receipt, rejections: Iterable[wire.Rejection]) -> None:
    event_type, server_composition = wire.shown(receipt.event_type), wire.shown(receipt.server_composition)
    for rejection in rejections:
        logger.warning(
            "Rejected: %s",
            rejection.error,
            extra={
                "cmc_event": "event_rejected",
                "event_type": event_type,
                "server_composition": server_composition,
                "error": rejection.error,
            },
        )
    if not logger.isEnabledFor(logging.INFO):
        return
    logger.info(
        "Stored: %d new, %d repeated, %d rejected",
        receipt.new,
        receipt.repeated,
        receipt.rejected,
        extra={
            "cmc_event": "notification_stored",
            "event_type": event_type,
            "server_composition": server_composition,
            "new": receipt.new,
            "repeated": receipt.repeated,
            "rejected": receipt.rejected,
            "seconds": receipt.seconds,
        },
    )


def _store(using: str, ready: batch.Batch) -> Receipt:
    writer = writers.writer_for(using)
    stored = _stored_keys(using, ready, writer)
    if stored is not None and len(stored) == len(ready.records) and not ready.sent.rejections:
        return _count_repeat(using, ready)
    for _ in range(TRIES):
        try:
            with transactions.atomic(using):
                return _record(using, ready, writer, stored)
        except ConcurrentInsert:
            stored = None  # to be read again, behind the locks
    with transactions.atomic(using):
        return _record(using, ready, writers.PORTABLE)


def _stored_keys(using: str, ready: batch.Batch, writer: BatchWriter) -> AbstractSet[UUID] | None:
    """Return the event keys that are already stored, read without a lock.

    Return None for small batches: locking first is cheaper than asking. CMC repeats whole batches, so only
    the first key is looked up, and the others if it is stored. `writer.write` detects a wrong guess.
    """
    if 0 < len(ready.records) < MANY:
        return None
    first = writer.known(using, ready.model, list(ready.records)[:1])
    return writer.known(using, ready.model, ready.records) if first else first


def _count_repeat(using: str, ready: batch.Batch) -> Receipt:
    """Store the row that counts a batch without new events. It needs no transaction and no lock."""
    notification = ready.notification(new=0)
    bulk.insert_plainly(using, [notification])
    return _receipt(notification, ())


def _record(
    using: str, ready: batch.Batch, writer: BatchWriter, stored: AbstractSet[UUID] | None = None
) -> Receipt:
    """Lock the mails, merge and write the new events, enqueue their signals, in the caller's transaction."""
    mails, stored = writer.lock(using, Lookup(ready.mails(), ready.model, ready.records, stored))
    new = {key: record for key, record in ready.records.items() if key not in stored}
    notification = ready.notification(new=len(new))
    events = ready.events(new, mails, notification.pk)
    changed, old_statuses, moves = _merge(events)
    if calls.have_receivers():
        _enqueue_signals(using, _calls(events, old_statuses))
    rejections.reject(using, ready.rejected_events())
    counts = deltas.to_rows(moves, datetime.now(UTC))
    changes.record_each(using, (event.mail if isinstance(event, MailEvent) else event for event in events))
    with session.discard_old_plans(connections[using]):
        writer.write(using, BatchRows.of(notification, events, changed, counts))
    return _receipt(notification, events)


def _receipt(row: Notification, events: Sequence[MailEvent | BlockEvent]) -> Receipt:
    return Receipt(row.new, row.repeated, row.rejected, row.event_type, row.server_composition, events)


def _merge(
    events: Sequence[MailEvent | BlockEvent],
) -> tuple[list[Mail], dict[UUID, str], deltas.CountDeltas]:
    """Merge new events into their mails. Return these, old statuses that changed, and the count deltas."""
    of_mail: defaultdict[UUID, list[MailEvent]] = defaultdict(list)
    for event in events:
        if isinstance(event, MailEvent):
            of_mail[event.mail_id].append(event)
    mails, old_statuses, moves = [], {}, deltas.CountDeltas()
    for key, its_events in of_mail.items():
        mail: Mail = its_events[0].mail
        old, before = mail.status, deltas.cell(mail)
        mail.merge(its_events)
        moves.move(before, deltas.cell(mail))
        mails.append(mail)
        if mail.status != old:
            old_statuses[key] = old
    return mails, old_statuses, moves


def _calls(
    events: Sequence[MailEvent | BlockEvent], old_statuses: dict[UUID, str]
) -> Iterator[calls.SignalCall]:
    """Yield the signals of a batch in its order: each event's own, then the status change that it decided."""
    for event in events:
        if not isinstance(event, MailEvent):
            yield calls.SignalCall("event_recorded", event, None)
            continue
        mail = event.mail
        yield calls.SignalCall("event_recorded", event, mail)
        if event.mail_id in old_statuses and event.pk == mail.state.deciding_key:
            old = old_statuses[event.mail_id]
            yield calls.SignalCall("status_changed", event, mail, old, mail.status, mail.version)


def _enqueue_signals(using: str, candidates: Iterable[calls.SignalCall]) -> None:
    wanted = calls.wanted(candidates)
    if not wanted:
        return
    enqueued = dispatch.enqueue(using, wanted, leased=not app_settings.is_deferred)

    def send() -> None:  # a named function: Django 5.2 fails to log the failure of a partial
        if app_settings.is_deferred:
            maintenance.wake_worker()
        else:
            dispatch.send(using, enqueued)

    transaction.on_commit(send, using=using, robust=True)


def _store_for_good(using: str, ready: batch.Batch) -> Receipt:
    try:
        return transactions.run(using, partial(_store, using, ready))
    except transactions.Unstorable as error:
        raise transactions.Unavailable(str(error)) from error


def _fits(using: str, ready: batch.Batch) -> bool:
    """Return whether the database accepts the batch, tried in a transaction that is rolled back."""

    def trial() -> None:
        with transactions.atomic(using):
            _record(using, ready, writers.PORTABLE)
            transaction.set_rollback(True, using=using)

    try:
        transactions.run(using, trial)
    except transactions.Unstorable:
        return False
    return True
