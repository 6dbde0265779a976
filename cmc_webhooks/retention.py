"""Deletion or anonymisation of old rows, in small batches that do not block other work."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.db import connections
from django.db.models import Q

from cmc_webhooks import dispatch, timezones, wire
from cmc_webhooks.conf import app_settings
from cmc_webhooks.db import references, session, transactions
from cmc_webhooks.db.compact_keys import CompactKeys
from cmc_webhooks.event_types import MAIL_EVENT_MODELS
from cmc_webhooks.models import (
    Alert,
    BlockEvent,
    Change,
    Mail,
    Notification,
    PendingSignal,
    RejectedEvent,
)
from cmc_webhooks.statistics import deltas
from cmc_webhooks.store import changes, counts, deletion

if TYPE_CHECKING:
    from django.db.models import QuerySet

__all__ = ["HOLDING_SIGNALS", "KINDS", "Pace", "ages", "prune", "run", "with_signals"]

logger = logging.getLogger(__name__)

BATCH = 1000
PAUSE = 0.05
LONGEST = 0.06
"""Seconds. After a batch that took longer, the next one is sized to take half of this."""
FIRST, SMALLEST = 50, 10
"""Rows of the first batch, which reads pages that have not been read for long, and of the smallest."""
_LATE_MS = 600_000
_AHEAD = timedelta(days=1)
_REFERS = [PendingSignal.ITEM.index(name) for name in ("event", "mail")]

HOLDING_SIGNALS = {
    PendingSignal.States.PENDING.value: "pending signals",
    PendingSignal.States.DEAD.value: "dead signals",
}
"""By state, what `on_held` is called with for rows that signals hold."""


@dataclass(slots=True)
class Pace:
    """The maximum number of rows in a batch, and the pause after each batch, in seconds."""

    batch: int = BATCH
    pause: float = PAUSE
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = min(self.batch, FIRST)

    def after(self, took: float) -> None:
        """Adapt the size of the next batch to the seconds that the last one took, then pause."""
        if took > LONGEST:
            self.size = min(self.batch, max(SMALLEST, int(self.size * LONGEST / 2 / took)))
        elif took < LONGEST / 2:
            self.size = min(self.batch, self.size * 2)
        time.sleep(self.pause)


def ages() -> dict[str, int]:
    """Return the days of each kind that `RETENTION` names, in the order in which kinds are pruned."""
    wanted = app_settings.retention
    return {kind: wanted[kind] for kind in KINDS if kind in wanted}


def with_signals(days: Mapping[str, int]) -> dict[str, int]:
    """Return these days by kind, with those of dead signals first if these may hold rows of another kind."""
    return ({"signals": app_settings.dead_signal_days} if _SIGNALLED & days.keys() else {}) | dict(days)


def run(using: str) -> dict[str, int]:
    """Prune all kinds as `RETENTION` says, counted from now. Return the number of pruned rows of each kind.

    Dead signals are pruned after 30 days unless `RETENTION` says otherwise: after that they hold nothing. A
    warning is logged for the rows that are held, see `prune`.

    Raises:
        transactions.Unavailable: the database is unavailable. What was pruned before stays pruned.
    """
    now, done, named = datetime.now(UTC), {}, ages()
    for kind, days in with_signals(named).items():
        held = Counter[str]()
        number = prune(using, kind, now - timedelta(days=days), on_held=partial(_add, held))
        if number or kind in named:
            done[kind] = number
        if held:
            logger.warning(
                "%d old rows of %s are held by %s",
                held.total(),
                kind,
                ", ".join(sorted(held)),
                extra={"cmc_event": "retention_held", "kind": kind, "rows": held.total(), "held_by": held},
            )
    return done


def _add(held: Counter[str], holder: str, number: int) -> None:
    held[holder] += number


def prune(
    using: str,
    kind: str,
    before: datetime,
    *,
    pace: Pace | None = None,
    dry_run: bool = False,
    progress: Callable[[int], Any] = lambda done: None,
    on_held: Callable[[str, int], Any] = lambda holder, number: None,
) -> int:
    """Delete or anonymise the rows of a kind that are older than `before` (aware). Return their number.

    Notifications and rejected events are as old as their receipt, and mails as the receipt of their first
    event. Events are as old as the time in their key: CMC's clock in the webhook's zone. If the key has no
    time, or one that is more than a day in the future, the receipt counts. Dead signals are as old as their
    last attempt. Their removal is logged: they were never sent. Changes of the feed are old up to the first
    one that is young.

    A mail is deleted with its events, and kept while one of them is younger. Rows that a pending signal
    needs, or one that has been dead for less than `RETENTION["signals"]` days, are kept: `on_held` is called
    with a label of `HOLDING_SIGNALS` and their number. Each batch is committed separately, so an interrupted
    run continues when repeated.

    Rows that the database refuses to delete or change are kept too, such as those that a foreign key of the
    project with PROTECT refers to. `on_held` is called with the labels of the models that hold them, or with
    the name of the error, and with the number of rows. A dry run counts all rows that such a key refers to.

    Raises:
        transactions.Unavailable: as for `run`.
    """
    pace = pace or Pace()
    with session.avoid_table_scans(connections[using]):
        return _prune(using, kind, before, pace, dry_run=dry_run, progress=progress, on_held=on_held)


def _prune(
    using: str,
    kind: str,
    before: datetime,
    pace: Pace,
    *,
    dry_run: bool,
    progress: Callable[[int], Any],
    on_held: Callable[[str, int], Any],
) -> int:
    needed = _Needed(using)
    done = 0
    for step in KINDS[kind](_Age.of(using, before)):
        held = _Held(using, step, on_held)
        for keys in _batches(step, pace):
            began = time.monotonic()
            wanted = needed.without(keys, on_held) if step.is_signalled else keys
            free = transactions.run(using, partial(step.free, wanted))
            free = transactions.run(using, partial(held.without, free, is_dry=dry_run))
            if free and not dry_run:
                with session.discard_old_plans(connections[using]):
                    number = held.prune(free)
                pace.after(time.monotonic() - began)
            else:
                number = len(free)
            done += number
            progress(number)
    if kind == "signals" and done and not dry_run:
        logger.warning(
            "%d dead signals were removed: they were never sent, and are older than RETENTION allows",
            done,
            extra={"cmc_event": "signals_expired", "rows": done},
        )
    return done


class _Age(NamedTuple):
    """The bounds of old rows: stored times before `before`, our keys below `key`, event keys below `event`.

    Event keys from `ahead` on hold a time that is more than a day in the future.
    """

    using: str
    before: datetime
    key: UUID
    event: UUID
    ahead: UUID

    @classmethod
    def of(cls, using: str, before: datetime) -> _Age:
        zone = app_settings.time_zone
        return cls(
            using,
            timezones.to_stored(before),
            wire.key_at(before.astimezone(UTC)),
            wire.key_at(before.astimezone(zone)),
            wire.key_at(datetime.now(zone) + _AHEAD),
        )

    def old(self, model: Any, **conditions: Any) -> QuerySet[Any]:
        """Return the rows of a model that meet these conditions."""
        found: QuerySet[Any] = model._default_manager.using(self.using).filter(**conditions)
        return found

    def old_events(self, model: Any) -> Iterator[QuerySet[Any]]:
        """Yield the old rows of an event model: by CMC's clock, or by receipt if that has no usable time."""
        yield self.old(model, pk__gte=wire.UNTIMED_END, pk__lt=self.event)
        yield self.old(model, pk__lt=wire.UNTIMED_END, received_at__lt=self.before)
        yield self.old(model, pk__gte=max(self.event, self.ahead), received_at__lt=self.before)

    def is_young(self) -> Q:
        """Return the condition for events that are not old."""
        is_odd = Q(pk__lt=wire.UNTIMED_END) | Q(pk__gte=self.ahead)
        return Q(pk__gte=self.event, pk__lt=self.ahead) | is_odd & Q(received_at__gte=self.before)


class _Step(NamedTuple):
    """Old rows, and how they are pruned.

    `free` returns the keys of rows that may be pruned. `prune` prunes a batch of them inside the caller's
    transaction and returns their number. `is_signalled`: signals refer to such rows, so pending and dead ones
    need them.
    """

    old: QuerySet[Any]
    prune: Callable[[str, list[UUID]], int]
    order: str = "pk"
    free: Callable[[list[UUID]], list[UUID]] = list
    is_signalled: bool = True
    held_by: Sequence[references.Reference] = ()


def _deletion(old: QuerySet[Any], *, order: str = "pk", is_signalled: bool = True) -> _Step:
    """Return the step that deletes these rows."""
    return _Step(
        old,
        partial(deletion.remove, model=old.model),
        order,
        is_signalled=is_signalled,
        held_by=[*references.references(old.model)],
    )


def _signals(age: _Age) -> Iterator[_Step]:
    dead = age.old(PendingSignal).filter(_long_dead(timezones.to_aware(age.before)))
    yield _deletion(dead, order="available_at", is_signalled=False)


def _long_dead(before: datetime) -> Q:
    """Return the condition for signals that died before then, an aware time.

    Where the host's clock was ahead when they died, the time when they were enqueued counts.
    """
    latest_ms = _ms(datetime.now(UTC) + _AHEAD)
    died = Q(available_at__lt=_ms(before)) | Q(available_at__gt=latest_ms, pk__lt=wire.time_key(_ms(before)))
    return Q(state=PendingSignal.States.DEAD) & died


def _ms(moment: datetime) -> int:
    return max(0, int(moment.timestamp() * 1000))


def _notifications(age: _Age) -> Iterator[_Step]:
    yield _deletion(age.old(Notification, pk__lt=age.key), is_signalled=False)


def _rejected(age: _Age) -> Iterator[_Step]:
    yield _deletion(age.old(RejectedEvent, received_at__lt=age.before), is_signalled=False)


def _events(age: _Age) -> Iterator[_Step]:
    for model in (*MAIL_EVENT_MODELS, BlockEvent):
        yield from map(_deletion, age.old_events(model))


def _mails(age: _Age) -> Iterator[_Step]:
    def free(keys: list[UUID]) -> list[UUID]:
        kept: set[UUID] = set()
        for model in MAIL_EVENT_MODELS:
            young = age.old(model, mail_id__in=keys).filter(age.is_young())
            kept |= set(young.values_list("mail_id", flat=True))
        return [key for key in keys if key not in kept]

    def prune(using: str, keys: list[UUID]) -> int:
        locked = {mail.pk: mail for mail in age.old(Mail, pk__in=keys).select_for_update().order_by("pk")}
        going = free(list(locked))  # again: behind the locks no event is added
        moves = deltas.CountDeltas()
        for key in going:
            moves.move(deltas.cell(locked[key]), None)
        deletion.remove_mails(using, going)
        dispatch.mails_pruned(using, going)
        counts.count(using, deltas.to_rows(moves, datetime.now(UTC)))
        return len(going)

    of_events = (references.references(model, "mail") for model in MAIL_EVENT_MODELS)
    yield _Step(
        age.old(Mail, created_at__lt=age.before),
        prune,
        order="created_at",
        free=free,
        held_by=[*references.references(Mail), *chain.from_iterable(of_events)],
    )


def _personal(age: _Age) -> Iterator[_Step]:
    old_mails = age.old(Mail, created_at__lt=age.before, erased_at=None)
    yield _Step(old_mails, deletion.blank_mails, order="created_at")
    for old in age.old_events(BlockEvent):
        yield _Step(old.exclude(address="", raw={}), deletion.blank_blocks)
    old_rejections = age.old(RejectedEvent, received_at__lt=age.before).exclude(raw="")
    yield _Step(old_rejections, deletion.blank_rejections, is_signalled=False)


def _alerts(age: _Age) -> Iterator[_Step]:
    yield _deletion(age.old(Alert, resolved_at__lt=age.before), is_signalled=False)


def _changes(age: _Age) -> Iterator[_Step]:
    """Yield the step of the changes below the first one that is young, in the order of their numbers."""
    numbered = age.old(Change, seq__isnull=False).order_by("seq")
    first = transactions.run(
        age.using, numbered.filter(at__gte=age.before).values_list("seq", flat=True).first
    )
    old = numbered if first is None else numbered.filter(seq__lt=first)
    yield _Step(old, changes.trim, order="seq", is_signalled=False)


KINDS: dict[str, Callable[[_Age], Iterator[_Step]]] = {
    "signals": _signals,
    "notifications": _notifications,
    "rejected": _rejected,
    "events": _events,
    "mails": _mails,
    "personal": _personal,
    "alerts": _alerts,
    "changes": _changes,
}
_SIGNALLED = {"events", "mails", "personal"}


def _batches(step: _Step, pace: Pace) -> Iterator[list[UUID]]:
    """Yield pages of the keys of all old rows. No row is read twice, whether it was pruned or not."""
    old = step.old.order_by(*dict.fromkeys((step.order, "pk"))).values_list(step.order, "pk")
    page = old
    while some := transactions.run(page.db, partial(_first, page, pace.size)):
        yield [key for _, key in some]
        place, last = some[-1]
        behind = Q(pk__gt=last) if step.order == "pk" else Q(**{f"{step.order}__gt": place}) | Q(pk__gt=last)
        page = old.filter(behind, **{f"{step.order}__gte": place})


def _first(rows: QuerySet[Any], size: int) -> list[Any]:
    return list(rows[:size])


class _Held:
    """The rows of a step that cannot be pruned, such as those that a row of the project refers to."""

    def __init__(self, using: str, step: _Step, on_held: Callable[[str, int], Any]) -> None:
        self._using, self._step, self._on_held = using, step, on_held
        self._certain = {each for each in step.held_by if each.is_certain}

    def without(self, keys: list[UUID], *, is_dry: bool) -> list[UUID]:
        """Return the keys that are worth an attempt; in a dry run, those that nothing refers to."""
        certain = self._step.held_by if is_dry else self._certain
        held = references.held(self._using, certain, keys) if certain and keys else {}
        for holders in held.values():
            self._on_held(_joined(holders), 1)
        return [key for key in keys if key not in held]

    def prune(self, keys: list[UUID]) -> int:
        """Prune these rows, except those that the database refuses. Return the number of pruned rows."""
        work = partial(self._step.prune, self._using)
        return transactions.run_each(self._using, work, keys, refused=self._refused)

    def _refused(self, key: UUID, error: Exception) -> None:
        objects = getattr(error, "protected_objects", ()) or getattr(error, "restricted_objects", ())
        holders = {each._meta.label for each in objects}
        if not holders:
            holders = self._holders_of(key)
        self._on_held(_joined(holders) or transactions.described(error), 1)

    def _holders_of(self, key: UUID) -> set[str]:
        """Return the labels of the models that refer to a row which the database refused to delete.

        If that is one foreign key, the database refuses all rows that it refers to: no more are attempted.
        """
        found = {each: references.held(self._using, [each], [key]).get(key) for each in self._step.held_by}
        holders = {each: labels for each, labels in found.items() if labels}
        if len(holders) == 1:
            self._certain |= {each for each in holders if each.is_alike}
        return set(chain.from_iterable(holders.values()))


def _joined(labels: Iterable[str]) -> str:
    return " and ".join(sorted(labels))


class _Needed:
    """The events and mails that signals in the outbox refer to, except for signals that are dead for long."""

    def __init__(self, using: str) -> None:
        self._outbox = PendingSignal._default_manager.using(using).order_by("pk")
        self._states = {state: CompactKeys() for state in PendingSignal.States.values}
        self._dead_before = datetime.now(UTC) - timedelta(days=app_settings.dead_signal_days)
        self._latest_ms: int | None = None

    def without(self, keys: list[UUID], on_held: Callable[[str, int], Any]) -> list[UUID]:
        """Return the keys that no signal needs now. Read rows added to the outbox since the last call."""
        transactions.run(self._outbox.db, self._read)
        for state, label in HOLDING_SIGNALS.items():
            needed = self._states[state]
            if number := sum(key in needed for key in keys):
                on_held(label, number)
                keys = [key for key in keys if key not in needed]
        return keys

    def _read(self) -> None:
        unseen = self._outbox.exclude(_long_dead(self._dead_before))
        if self._latest_ms is not None:  # and a little further back: rows are not committed in key order
            unseen = unseen.filter(pk__gt=wire.time_key(self._latest_ms - _LATE_MS))
        for key, state, items in unseen.values_list("pk", "state", "items").iterator(chunk_size=500):
            self._latest_ms = min(wire.key_ms(key), time.time_ns() // 1_000_000)  # a host may be ahead
            about_events = [item for item in items if item[0] not in PendingSignal.LIFECYCLE]
            self._states[state].update(UUID(item[at]) for item in about_events for at in _REFERS if item[at])
