"""Tell the receivers again what they were told, or what was recorded while none was connected."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from cmc_webhooks import calls, dispatch, durable, selection
from cmc_webhooks.models import BounceEvent, DeliveryEvent, MailEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from uuid import UUID

    from django.db.models import QuerySet

__all__ = ["calls_for", "count", "events_of", "redeliver"]


def events_of(using: str, mails: Collection[UUID]) -> list[QuerySet[Any]]:
    """All deliveries and bounces of the mails with these keys, a queryset for each kind."""
    return [
        model._default_manager.using(using).filter(mail_id__in=mails).select_related("mail")
        for model in (DeliveryEvent, BounceEvent)
    ]


def count(events: Iterable[QuerySet[Any]]) -> int:
    """How many events these querysets have."""
    return sum(rows.count() for rows in events)


def redeliver(
    using: str, events: Iterable[QuerySet[Any]], *, progress: Callable[[list[Any]], Any] = lambda done: None
) -> int:
    """Owe the signals of all these events, their mails among them; how many. Whoever sweeps next sends them.

    An event that decided the status its mail has now brings `status_changed` along, with the version of
    that change. `progress` is told the events of each chunk, in key order.

    Raises:
        durable.Unavailable: the database gave way; the chunks before are owed.
    """
    owed = 0
    for rows in events:
        for chunk in selection.in_chunks(rows):
            wanted = list(calls_for(chunk))
            durable.run(using, partial(_owe, using, wanted))
            owed += len(wanted)
            progress(chunk)
    return owed


def _owe(using: str, wanted: Sequence[calls.Call]) -> None:
    with durable.atomic(using):
        dispatch.owe(using, wanted, leased=False)


def calls_for(events: Iterable[Any]) -> Iterator[calls.Call]:
    """The signals that these stored events give rise to, as far as their mails still show them."""
    for event in events:
        mail = event.mail if isinstance(event, MailEvent) else None
        yield calls.Call("event_recorded", event, mail)
        if mail is not None and mail.state.deciding_key == event.pk:
            yield calls.Call("status_changed", event, mail, mail.previous_status, mail.status, mail.version)
