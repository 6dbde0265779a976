"""Prove that every mail's status is what its events say, or make it so."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from cmc_webhooks import calls, counts, dispatch, durable, selection, status, store
from cmc_webhooks.models import BounceEvent, DeliveryEvent, Mail, MailEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from django.db.models import QuerySet

__all__ = ["Rebuilt", "rebuild"]


class Rebuilt(NamedTuple):
    """How many mails were looked at, and how many differed from what their events say."""

    mails: int = 0
    different: int = 0


def rebuild(
    using: str,
    chosen: QuerySet[Mail],
    *,
    check: bool = False,
    progress: Callable[[int], Any] = lambda done: None,
) -> Rebuilt:
    """Merge the events of these mails anew and write what differs, as one change of status each.

    With `check` nothing is written. The winning event that a mail names counts although its row was pruned.
    A changed status is told with `status_changed`, by whoever sweeps next. Each chunk is a transaction, so it
    may be interrupted and run again.

    Raises:
        durable.Unavailable: the database gave way; the chunks before are repaired.
    """
    seen = different = 0
    for chunk in selection.in_chunks(chosen):
        seen += len(chunk)
        work = _count if check else _repair
        different += durable.run(using, partial(work, using, chunk))
        progress(len(chunk))
    return Rebuilt(seen, different)


def _count(using: str, mails: Iterable[Mail]) -> int:
    events = _events(using, mails)
    return sum(_remerge(mail, events[mail.pk]) for mail in mails)


def _repair(using: str, mails: Iterable[Mail]) -> int:
    with durable.atomic(using):
        locked = store.lock_mails(using, mails).values()
        events = _events(using, locked)
        changed = []
        told = []
        moves = counts.Moves()
        for mail in locked:
            old, before = mail.status, counts.cell(mail)
            if _remerge(mail, events[mail.pk]):
                changed.append(mail)
                moves.move(before, counts.cell(mail))
                deciding = next((e for e in events[mail.pk] if e.pk == mail.state.deciding_key), None)
                if mail.status != old and deciding is not None:
                    told.append(calls.Call("status_changed", deciding, mail, old, mail.status, mail.version))
        store.update_mails(using, changed)
        dispatch.owe(using, calls.wanted(told), leased=False)
        store.count(using, counts.parts(moves, datetime.now(UTC)))
    return len(changed)


def _events(using: str, mails: Iterable[Mail]) -> dict[UUID, list[MailEvent]]:
    keys = [mail.pk for mail in mails]
    of_mail: defaultdict[UUID, list[MailEvent]] = defaultdict(list)
    for model in (DeliveryEvent, BounceEvent):
        for event in model._default_manager.using(using).filter(mail_id__in=keys):
            of_mail[event.mail_id].append(event)
    return of_mail


def _remerge(mail: Mail, events: list[MailEvent]) -> bool:
    """Give the mail what its events say; whether that was something else than it said."""
    before = _facts(mail)
    known = {event.pk for event in events}
    pruned = status.State(
        *(("", None) if mail.delivery_event_id in known else (mail.delivery_status, mail.delivery_event_id)),
        *(("", None) if mail.bounce_event_id in known else (mail.bounce_code, mail.bounce_event_id)),
    )
    mail.restate(pruned, events)
    return _facts(mail) != before


def _facts(mail: Mail) -> tuple[Any, ...]:
    return (*mail.state, mail.status, mail.status_at, mail.reason)
