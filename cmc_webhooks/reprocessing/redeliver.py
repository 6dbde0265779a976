"""Redelivery of signals that were sent before, or whose events were recorded without a receiver."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Count, F, Q

from cmc_webhooks import audit, dispatch
from cmc_webhooks.db import chunks, transactions
from cmc_webhooks.dispatch import calls
from cmc_webhooks.event_types import MAIL_EVENT_MODELS
from cmc_webhooks.models import MailEvent, Trail
from cmc_webhooks.reprocessing.dead_signals import Repeats

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from uuid import UUID

    from django.db.models import QuerySet

__all__ = ["Redelivered", "calls_for", "count", "events_of", "redeliver"]

# The event that its mail's current status comes from, see `State.deciding_key`
_DECIDING = Q(mail__bounce_event_id=F("pk")) | Q(mail__bounce_event_id=None, mail__delivery_event_id=F("pk"))


_PROGRAM = audit.Actor()


class Redelivered(NamedTuple):
    """The numbers of events, and of signals about them."""

    events: int = 0
    signals: int = 0


def events_of(using: str, mails: Collection[UUID]) -> list[QuerySet[Any]]:
    """Return all deliveries and bounces of the mails with these keys, a queryset for each kind."""
    return [
        model._default_manager.using(using).filter(mail_id__in=mails).select_related("mail")
        for model in MAIL_EVENT_MODELS
    ]


def count(events: Iterable[QuerySet[Any]]) -> Redelivered:
    """Return the numbers that `redeliver` would return for these querysets.

    That takes one query for each, and reads the dead signals.
    """
    events = list(events)
    numbers = [
        rows.order_by().aggregate(
            events=Count("pk"),
            **({"deciding": Count("pk", filter=_DECIDING)} if issubclass(rows.model, MailEvent) else {}),
        )
        for rows in events
    ]
    found = sum(each["events"] for each in numbers)
    deciding = sum(each.get("deciding", 0) for each in numbers)
    others = Repeats(events[0].db, events, calls_for).others() if found else 0
    return Redelivered(found, found + deciding + others)


def redeliver(
    using: str,
    events: Iterable[QuerySet[Any]],
    *,
    actor: audit.Actor = _PROGRAM,
    progress: Callable[[list[Any]], Any] = lambda done: None,
) -> Redelivered:
    """Enqueue the signals of all these events and of their mails for the next sweep. Return the numbers.

    An event that decided its mail's current status also causes `status_changed`, with the version of that
    change. Dead signals of these events are settled, see `Repeats`. `progress` is called with the events of
    each chunk, in key order. `actor` is who sends them again: it is recorded, see `Trail`.

    Raises:
        transactions.Unavailable: the database is unavailable. The signals of the chunks before are pending.
    """
    events = list(events)
    repeats = Repeats(using, events, calls_for)
    record = transactions.run(
        using, partial(audit.begin, Trail.Actions.REDELIVERED, actor, using=using, list="events")
    )
    taken = enqueued = 0
    with record:
        for rows in events:
            for chunk in chunks.in_chunks(rows):
                wanted = list(calls_for(chunk))
                transactions.run(using, partial(_enqueue, using, wanted))
                taken += len(chunk)
                enqueued += len(wanted)
                record.add(len(wanted))
                progress(chunk)
        others = repeats.settle()
        record.add(others)
    return Redelivered(taken, enqueued + others)


def _enqueue(using: str, wanted: Sequence[calls.SignalCall]) -> None:
    with transactions.atomic(using):
        dispatch.enqueue(using, wanted, leased=False, replay=True)


def calls_for(events: Iterable[Any]) -> Iterator[calls.SignalCall]:
    """Yield the signals of these stored events, and the status changes that their mails still show."""
    for event in events:
        mail = event.mail if isinstance(event, MailEvent) else None
        yield calls.SignalCall("event_recorded", event, mail)
        if mail is not None and mail.state.deciding_key == event.pk:
            yield calls.SignalCall(
                "status_changed", event, mail, mail.previous_status, mail.status, mail.version
            )
