"""Dead signals: send them again, dismiss them, or redeliver their events."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import Q

from cmc_webhooks import audit, wire
from cmc_webhooks.db import transactions
from cmc_webhooks.dispatch import calls
from cmc_webhooks.dispatch.outbox import CALLS_PER_ROW
from cmc_webhooks.event_types import EVENT_TYPES, name_of
from cmc_webhooks.models import PendingSignal, Trail
from cmc_webhooks.store import dead_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from django.db.models import QuerySet

    from cmc_webhooks.reprocessing.selection import Selection

__all__ = ["LISTED", "Repeats", "dismiss", "find", "number", "send_again"]

CHUNK = 500
"""Rows that are read, and then sent again or dismissed in one transaction."""
LISTED = "pendingsignal"
"""The name of these rows in `Trail.details` and in the log."""
_NAMED = 100  # events in the details of a record
_OWN = frozenset({"id", "items", "available_at", "attempts", "state"})  # what a row does not hand on
_EVENT_TYPE, _EVENT, _MAIL = (PendingSignal.ITEM.index(name) for name in ("event_type", "event", "mail"))

Rows = list[PendingSignal]


def number(rows: Iterable[PendingSignal]) -> int:
    """Return the number of signals in these rows."""
    return sum(len(row.items) for row in rows)


def find(using: str, wanted: Selection) -> Iterator[Rows]:
    """Yield the dead rows with a signal of one of the selected events, in the order in which they died.

    A row whose event was deleted is found by the event's or mail's key and by its type, and by no other
    condition. Each chunk may be sent again or dismissed before the next one is taken.

    Raises:
        transactions.Unavailable: the database is unavailable.
    """
    in_items = wanted.by_keys_alone
    events = [] if in_items else list(wanted.events(using))
    for rows in _chunks(using):
        if in_items:
            found = [row for row in rows if any(_is_named(item, wanted) for item in row.items)]
        else:
            selected = {event.pk for event in _of(rows, events)}
            found = [row for row in rows if any(_key(item, _EVENT) in selected for item in row.items)]
        if found:
            yield found


def send_again(
    using: str,
    chunks: Iterable[Rows],
    actor: audit.Actor,
    *,
    progress: Callable[[int], Any] = lambda done: None,
    **details: Any,
) -> int:
    """Make these dead rows pending, due at once and with no attempts. Return the number of signals.

    Rows that are no longer dead are left out. Signals that failed in the same way share rows, as when they
    were first enqueued. `actor` and `details` are recorded, see `Trail`.

    Raises:
        transactions.Unavailable: the database is unavailable. The chunks before are pending.
    """
    work = partial(dead_signals.replace, using, successors=_successors)
    return _each(using, chunks, Trail.Actions.REDELIVERED, work, actor, progress, details)


def dismiss(
    using: str,
    chunks: Iterable[Rows],
    actor: audit.Actor,
    *,
    progress: Callable[[int], Any] = lambda done: None,
    **details: Any,
) -> int:
    """Delete these dead rows: their signals are never sent. Return the number of signals.

    Rows that are no longer dead are left out. `actor` and `details` are recorded, see `Trail`.

    Raises:
        transactions.Unavailable: the database is unavailable. The chunks before are dismissed.
    """
    work = partial(dead_signals.delete, using)
    return _each(using, chunks, Trail.Actions.DISMISSED, work, actor, progress, details)


def _each(
    using: str,
    chunks: Iterable[Rows],
    what: str,
    work: Callable[[list[UUID]], Rows],
    actor: audit.Actor,
    progress: Callable[[int], Any],
    details: dict[str, Any],
) -> int:
    """Process each chunk in a transaction. One record keeps the number of signals, even if interrupted."""
    begun = partial(audit.begin, what, actor, using=using, list=LISTED, **details)
    record = transactions.run(using, begun)
    done, errors, events = 0, Counter[str](), dict[str, None]()
    with record:
        for rows in chunks:
            taken = transactions.run(using, partial(work, [row.pk for row in rows]))
            errors.update(row.last_error for row in taken)
            named = (_key(item, _EVENT) for row in taken for item in row.items)
            events |= dict.fromkeys([str(key) for key in named if key][:_NAMED])
            record.details |= {"errors": dict(errors.most_common(10)), "events": list(events)[:_NAMED]}
            record.add(number(taken))
            done += number(taken)
            progress(number(taken))
    return done


def _successors(dead: Rows) -> Rows:
    """Return new rows for the signals of these dead rows, due now and with `replay`.

    Each row has up to 25 signals that failed in the same way.
    """
    now = calls.now_ms()
    handed_on = [field.attname for field in PendingSignal._meta.concrete_fields if field.attname not in _OWN]
    alike: defaultdict[str, Rows] = defaultdict(list)
    for row in dead:
        alike[repr([getattr(row, name) for name in handed_on])].append(row)
    made: Rows = []
    for rows in alike.values():
        items = list(chain.from_iterable(row.items for row in rows))
        for start in range(0, len(items), CALLS_PER_ROW):
            again = calls.new_row(items[start : start + CALLS_PER_ROW], now, now, len(made), 0)
            for name in handed_on:
                setattr(again, name, getattr(rows[0], name))
            again.replay = True
            made.append(again)
    return sorted(made, key=lambda row: row.pk)


class Repeats:
    """The dead signals of some events that are being redelivered.

    A dead signal that the redelivery repeats is deleted. Any other dead signal of these events is sent again,
    such as that of a status that has changed once more since. Only rows enqueued before this object was
    created are read, so that rows of the redelivery itself are left alone.
    """

    def __init__(
        self,
        using: str,
        events: Sequence[QuerySet[Any]],
        calls_for: Callable[[Iterable[Any]], Iterable[calls.SignalCall]],
    ) -> None:
        self._using, self._events, self._calls_for = using, events, calls_for
        self._until = calls.now_ms()

    def others(self) -> int:
        """Return the number of signals that are sent again in addition to those of the redelivery."""
        return sum(number(others) for _repeated, others in self._found())

    def settle(self) -> int:
        """Delete the rows that are repeated, send the others again, and return the number of the latter.

        Call it when the signals of the redelivery are pending, so that each signal is always in the outbox.

        Raises:
            transactions.Unavailable: the database is unavailable. The chunks before are settled.
        """
        sent = 0
        for repeated, others in self._found():
            for rows, successors in ((repeated, _no_successors), (others, _successors)):
                if rows:
                    keys = [row.pk for row in rows]
                    work = partial(dead_signals.replace, self._using, keys, successors)
                    taken = transactions.run(self._using, work)
                    sent += number(taken) if rows is others else 0
        return sent

    def _found(self) -> Iterator[tuple[Rows, Rows]]:
        """Yield the rows whose signals are all repeated, and the others whose events are redelivered."""
        for rows in _chunks(self._using, self._until):
            events = list(_of(rows, self._events))
            selected = {event.pk for event in events}
            repeated = {_identity(call.item()) for call in self._calls_for(events)}
            found = [row for row in rows if all(_key(item, _EVENT) in selected for item in row.items)]
            settled = [row for row in found if all(_identity(item) in repeated for item in row.items)]
            keys = {row.pk for row in settled}
            yield settled, [row for row in found if row.pk not in keys]


def _no_successors(dead: Rows) -> Rows:
    return []


def _identity(item: Sequence[Any]) -> tuple[Any, ...]:
    """Return what identifies a call: the signal, the event, and the version of a change."""
    facts = dict(zip(PendingSignal.ITEM, item, strict=False))
    return facts.get("signal"), facts.get("event_type"), facts.get("event"), facts.get("version", 0)


def _is_named(item: Sequence[Any], wanted: Selection) -> bool:
    """Return whether a call is of a selected type and, where these are given, of the event and the mail.

    A lifecycle call has no event. It is selected if there is no condition.
    """
    kinds = [] if item[0] in PendingSignal.LIFECYCLE else item[_EVENT_TYPE : _EVENT_TYPE + 1]
    return (
        (wanted.event_types == tuple(EVENT_TYPES) or set(kinds) & set(wanted.event_types) != set())
        and (wanted.event is None or _key(item, _EVENT) == wanted.event)
        and (wanted.mail is None or _key(item, _MAIL) == wanted.mail)
    )


def _key(item: Sequence[Any], at: int) -> UUID | None:
    """Return a key that an item holds. None if it has none: a block has no mail, a lifecycle call neither."""
    key = item[at] if len(item) > at and item[0] not in PendingSignal.LIFECYCLE else None
    return UUID(key) if key else None


def _of(rows: Rows, events: Iterable[QuerySet[Any]]) -> Iterator[Any]:
    """Yield the events that these rows refer to, in one query for each kind."""
    keys: dict[str, set[UUID]] = {name: set() for name in EVENT_TYPES}
    for row in rows:
        for item in row.items:
            if key := _key(item, _EVENT):
                keys.setdefault(item[_EVENT_TYPE], set()).add(key)
    for found in events:
        if some := keys[name_of(found.model)]:
            wanted = found.filter(pk__in=some).order_by("pk")
            yield from transactions.run(wanted.db, partial(list, wanted.all()))


def _chunks(using: str, until_ms: float = float("inf")) -> Iterator[Rows]:
    """Yield the dead rows that were enqueued until then, in the order of their index."""
    dead = PendingSignal._default_manager.using(using).filter(state=PendingSignal.States.DEAD)
    dead = dead.order_by("available_at", "pk")
    page = dead
    while rows := transactions.run(using, partial(_first, page)):
        last = rows[-1]
        if old := [row for row in rows if _enqueued_ms(row) <= until_ms]:
            yield old
        behind = Q(available_at__gt=last.available_at) | Q(pk__gt=last.pk)
        page = dead.filter(behind, available_at__gte=last.available_at)


def _enqueued_ms(row: PendingSignal) -> int:
    return wire.key_ms(row.pk)


def _first(rows: QuerySet[PendingSignal]) -> Rows:
    return list(rows.all()[:CHUNK])
