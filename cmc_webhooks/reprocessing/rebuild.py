"""Verification and repair of mails: each mail's status must follow from its events."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from cmc_webhooks import dispatch, status
from cmc_webhooks.db import chunks, transactions
from cmc_webhooks.dispatch import calls
from cmc_webhooks.event_types import MAIL_EVENT_MODELS
from cmc_webhooks.models import Mail, MailEvent
from cmc_webhooks.statistics import deltas
from cmc_webhooks.store import changes, counts, orm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from django.db.models import QuerySet

__all__ = ["Rebuilt", "rebuild"]


class Rebuilt(NamedTuple):
    """The numbers of mails that were examined, and of mails that differed from what their events say."""

    mails: int = 0
    different: int = 0


def rebuild(
    using: str,
    chosen: QuerySet[Mail],
    *,
    check: bool = False,
    progress: Callable[[int], Any] = lambda done: None,
) -> Rebuilt:
    """Merge the events of these mails again and write the mails that differ, as one status change each.

    With `check`, nothing is written. The winning event that a mail names counts even if its row was pruned.
    A `status_changed` signal is enqueued for each changed status whose deciding event is stored; the next
    sweep sends it. Each chunk is a transaction, so an interrupted run can be repeated.

    Raises:
        transactions.Unavailable: the database is unavailable. The chunks before are repaired.
    """
    seen = different = 0
    for chunk in chunks.in_chunks(chosen):
        seen += len(chunk)
        work = _count if check else _repair
        different += transactions.run(using, partial(work, using, chunk))
        progress(len(chunk))
    return Rebuilt(seen, different)


def _count(using: str, mails: Iterable[Mail]) -> int:
    events = _events(using, mails)
    return sum(_remerge(mail, events[mail.pk]) for mail in mails)


def _repair(using: str, mails: Iterable[Mail]) -> int:
    with transactions.atomic(using):
        locked = orm.lock_mails(using, mails).values()
        events = _events(using, locked)
        changed = []
        signals = []
        moves = deltas.CountDeltas()
        for mail in locked:
            old, before = mail.status, deltas.cell(mail)
            if _remerge(mail, events[mail.pk]):
                changed.append(mail)
                moves.move(before, deltas.cell(mail))
                deciding = next((e for e in events[mail.pk] if e.pk == mail.state.deciding_key), None)
                if mail.status != old and deciding is not None:
                    signals.append(
                        calls.SignalCall("status_changed", deciding, mail, old, mail.status, mail.version)
                    )
        orm.update_mails(using, changed)
        changes.record_each(using, changed)
        dispatch.enqueue(using, calls.wanted(signals), leased=False)
        counts.count(using, deltas.to_rows(moves, datetime.now(UTC)))
    return len(changed)


def _events(using: str, mails: Iterable[Mail]) -> dict[UUID, list[MailEvent]]:
    keys = [mail.pk for mail in mails]
    of_mail: defaultdict[UUID, list[MailEvent]] = defaultdict(list)
    for model in MAIL_EVENT_MODELS:
        for event in model._default_manager.using(using).filter(mail_id__in=keys):
            of_mail[event.mail_id].append(event)
    return of_mail


def _remerge(mail: Mail, events: list[MailEvent]) -> bool:
    """Set the mail to what its events say. Return whether it differed."""
    before = _facts(mail)
    known = {event.pk for event in events}
    pruned = status.State(
        *(("", None) if mail.delivery_event_id in known else (mail.delivery_status, mail.delivery_event_id)),
        *(("", None) if mail.bounce_event_id in known else (mail.bounce_code, mail.bounce_event_id)),
    )
    mail.restate(pruned, events)
    return _facts(mail) != before


def _facts(mail: Mail) -> tuple[Any, ...]:
    return (*mail.state, mail.bounce_class, mail.status, mail.status_at, mail.reason)
