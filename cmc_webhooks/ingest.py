"""A notification becomes history: rows, the status of its mails, and signals about what changed."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction

from cmc_webhooks import batch, calls, counts, dispatch, durable, event_types, store, unstorable, upkeep, wire
from cmc_webhooks.conf import app_settings
from cmc_webhooks.models import MailEvent, Notification

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from cmc_webhooks.models import BlockEvent, Mail

__all__ = ["Receipt", "heal", "receive", "see_to_owed", "take"]

logger = logging.getLogger(__name__)

WEBHOOK = Notification.Sources.WEBHOOK.value
MANY = 10
"""Events of which it is asked first whether they are known; of fewer, locks cost less than the question."""
TRIES = 20
"""How often a batch may meet rivals that are quicker, before it takes the way that waits for them.

Each time some of its rows are there that were not before, so it ends soon. That way locks in another order:
beside it, PostgreSQL found dozens of deadlocks in 20,000 events that were shuffled between two workers.
"""


@dataclass(frozen=True, slots=True)
class Receipt:
    """How many events of a notification were new, known already, and impossible to store.

    Beside these counts, which alone make two of them equal: the new rows, and the seconds that it took.
    """

    new: int
    repeated: int
    rejected: int
    event_type: str = field(default="", compare=False)
    server_composition: str = field(default="", compare=False)
    events: Sequence[MailEvent | BlockEvent] = field(default=(), compare=False, repr=False)
    seconds: float = field(default=0.0, compare=False)


def receive(frame: wire.Frame, *, received_at: datetime | None = None, source: str = WEBHOOK) -> Receipt:
    """Store the events of an authenticated frame and tell the receivers; committed when this returns.

    `received_at` is aware, now by default; `source` is how they came. Not for use in a transaction.

    Raises:
        wire.BadBody: the frame is no notification.
        wire.TooManyEvents: it has more events than `CMC_WEBHOOKS_MAX_EVENTS`.
        durable.Unavailable: the database did not take it; nothing was stored.
    """
    sent = wire.read(frame, event_types.RECORD_TYPES, app_settings.max_events)
    return take(sent, received_at=received_at, source=source)


def take(sent: wire.Notification, *, received_at: datetime | None = None, source: str = WEBHOOK) -> Receipt:
    """The same for a notification that was read before.

    Raises:
        durable.Unavailable: the database did not take it; nothing was stored.
    """
    started = time.perf_counter()
    ready = batch.Batch.of(sent, received_at or datetime.now(UTC), source)
    using = store.alias()
    try:
        receipt = durable.run(using, partial(_store, using, ready))
    except durable.Unstorable as error:
        logger.warning(
            "The database refused an event (%s): looking for it",
            error,
            extra={"cmc_event": "event_unstorable", "error": str(error)},
        )
        ready = unstorable.without(ready, partial(_fits, using))
        receipt = _store_for_good(using, ready)
    receipt = replace(receipt, seconds=time.perf_counter() - started)
    _tell(receipt, ready.sent.rejections)
    return receipt


def _tell(receipt: Receipt, rejections: Iterable[wire.Rejection]) -> None:
    for rejection in rejections:
        logger.warning(
            "Rejected: %s",
            rejection.error,
            extra={
                "cmc_event": "event_rejected",
                "event_type": receipt.event_type,
                "server_composition": receipt.server_composition,
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
            "event_type": receipt.event_type,
            "server_composition": receipt.server_composition,
            "new": receipt.new,
            "repeated": receipt.repeated,
            "rejected": receipt.rejected,
            "seconds": receipt.seconds,
        },
    )


def _store(using: str, ready: batch.Batch) -> Receipt:
    way = store.way(using)
    known = _known_before(using, ready, way)
    if known is not None and len(known) == len(ready.records) and not ready.sent.rejections:
        return _count_repeat(using, ready)
    for _ in range(TRIES):
        try:
            with durable.atomic(using):
                return _record(using, ready, way, known)
        except store.Raced:
            known = None  # to be asked for behind the locks
    with durable.atomic(using):
        return _record(using, ready, store.PORTABLE)


def _known_before(using: str, ready: batch.Batch, way: store.Way) -> AbstractSet[UUID] | None:
    """The event keys that are known, seen without a lock; None where it is better to lock first.

    What is repeated is repeated as a whole, so the first event is asked for, and the others if it is known.
    Where that is wrong, `write` sees it.
    """
    if 0 < len(ready.records) < MANY:
        return None
    first = way.known(using, ready.model, list(ready.records)[:1])
    return way.known(using, ready.model, ready.records) if first else first


def _count_repeat(using: str, ready: batch.Batch) -> Receipt:
    """Nothing is new: no transaction, no lock, one row that says so."""
    notification = ready.notification(new=0)
    store.insert_plainly(using, [notification])
    return _receipt(notification, ())


def _record(
    using: str, ready: batch.Batch, way: store.Way, known: AbstractSet[UUID] | None = None
) -> Receipt:
    """Inside the transaction: lock the mails, see what is new, merge it, write it, owe the signals."""
    mails, known = way.lock(using, ready.mails(), ready.model, ready.records, known)
    new = (
        {key: record for key, record in ready.records.items() if key not in known} if known else ready.records
    )
    notification = ready.notification(new=len(new))
    events = ready.events(new, mails, notification.pk)
    changed, old_statuses, moves = _merge(events)
    if calls.are_heard():
        _owe_signals(using, _calls(events, old_statuses))
    store.reject(using, ready.rejected_events())
    way.write(using, notification, events, changed, counts.parts(moves, datetime.now(UTC)))
    return _receipt(notification, events)


def _receipt(row: Notification, events: Sequence[MailEvent | BlockEvent]) -> Receipt:
    return Receipt(row.new, row.repeated, row.rejected, row.event_type, row.server_composition, events)


def _merge(
    events: Sequence[MailEvent | BlockEvent],
) -> tuple[list[Mail], dict[UUID, str], counts.Moves]:
    """Merge new events into their mails; these, old statuses where they changed, the moves of counts."""
    of_mail: defaultdict[UUID, list[MailEvent]] = defaultdict(list)
    for event in events:
        if isinstance(event, MailEvent):
            of_mail[event.mail_id].append(event)
    mails, old_statuses, moves = [], {}, counts.Moves()
    for key, its_events in of_mail.items():
        mail: Mail = its_events[0].mail
        old, before = mail.status, counts.cell(mail)
        mail.merge(its_events)
        moves.move(before, counts.cell(mail))
        mails.append(mail)
        if mail.status != old:
            old_statuses[key] = old
    return mails, old_statuses, moves


def _calls(events: Sequence[MailEvent | BlockEvent], old_statuses: dict[UUID, str]) -> Iterator[calls.Call]:
    """The signals of a batch in its order: each event's own, then the change that it decided."""
    for event in events:
        if not isinstance(event, MailEvent):
            yield calls.Call("event_recorded", event, None)
            continue
        mail = event.mail
        yield calls.Call("event_recorded", event, mail)
        if event.mail_id in old_statuses and event.pk == mail.state.deciding_key:
            old = old_statuses[event.mail_id]
            yield calls.Call("status_changed", event, mail, old, mail.status, mail.version)


def _owe_signals(using: str, told: Iterable[calls.Call]) -> None:
    wanted = calls.wanted(told)
    if not wanted:
        return
    owed = dispatch.owe(using, wanted, leased=not app_settings.is_deferred)

    def tell() -> None:  # a function with a name: Django 5.2 fails to log the failure of a partial
        if app_settings.is_deferred:
            _wake_worker()
        else:
            dispatch.send(using, owed)

    transaction.on_commit(tell, using=using, robust=True)


def _wake_worker() -> None:
    """A hint that something is owed: a worker looks into the outbox. If it is lost, a later one will do."""
    wake_up = app_settings.wake_up
    if wake_up is None:
        from cmc_webhooks import tasks  # its package is an extra on Django 5.2

        wake_up = tasks.send_owed_signals.enqueue
    wake_up()


def heal() -> None:
    """Once a minute in each process, see to what was left owed: a site without a cron job heals as well.

    For when the answer has been sent: to roll up the counts of a day may take a database long.
    """
    if dispatch.is_time_to_heal():
        see_to_owed(store.alias())


def see_to_owed(using: str) -> None:
    """See to what is owed, for two seconds at most; in the deferred mode wake a worker that does."""
    try:
        if app_settings.is_deferred:
            _wake_worker()
        else:
            upkeep.run(using, seconds=dispatch.BUDGET_SECONDS)
    except Exception:  # what was asked for is stored: whatever fails here must not be the answer to it
        logger.exception("What is owed could not be looked at", extra={"cmc_event": "upkeep_failed"})


def _store_for_good(using: str, ready: batch.Batch) -> Receipt:
    try:
        return durable.run(using, partial(_store, using, ready))
    except durable.Unstorable as error:
        raise durable.Unavailable(str(error)) from error


def _fits(using: str, ready: batch.Batch) -> bool:
    """Whether the database takes the batch; tried in a transaction that is rolled back."""

    def trial() -> None:
        with durable.atomic(using):
            _record(using, ready, store.PORTABLE)
            transaction.set_rollback(True, using=using)

    try:
        durable.run(using, trial)
    except durable.Unstorable:
        return False
    return True
