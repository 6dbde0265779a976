"""Tell the receivers again what they were told, or what was recorded while none was connected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cmc_webhooks import calls, dispatch, durable, selection
from cmc_webhooks.models import MailEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["calls_for", "count", "redeliver"]


def count(using: str, chosen: selection.Selection) -> int:
    """How many events the selection has."""
    return sum(events.count() for events in chosen.events(using))


def redeliver(
    using: str, chosen: selection.Selection, *, progress: Callable[[int], Any] = lambda done: None
) -> int:
    """Owe the signals of all selected events; how many. Whoever sweeps next sends them.

    An event that decided the status its mail has now brings `status_changed` along, with the version of
    that change. `progress` is told the number of events of each chunk.
    """
    owed = 0
    for events in chosen.events(using):
        for chunk in selection.in_chunks(events):
            wanted = list(calls_for(chunk))
            with durable.atomic(using):
                dispatch.owe(using, wanted, leased=False)
            owed += len(wanted)
            progress(len(chunk))
    return owed


def calls_for(events: Iterable[Any]) -> Iterator[calls.Call]:
    """The signals that these stored events give rise to, as far as their mails still show them."""
    for event in events:
        mail = event.mail if isinstance(event, MailEvent) else None
        yield calls.Call("event_recorded", event, mail)
        if mail is not None and mail.state.deciding_key == event.pk:
            yield calls.Call("status_changed", event, mail, mail.previous_status, mail.status, mail.version)
