"""What is old goes: rows are removed, personal data is blanked, in small batches that hold nobody up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.db.models import Q

from cmc_webhooks import counts, durable, rows, store, wire
from cmc_webhooks.conf import app_settings
from cmc_webhooks.models import (
    BlockEvent,
    BounceEvent,
    DeliveryEvent,
    Mail,
    Notification,
    PendingSignal,
    RejectedEvent,
)

if TYPE_CHECKING:
    from django.db.models import QuerySet

__all__ = ["KINDS", "Pace", "TooMuchOwed", "ages", "prune", "run"]

BATCH = 1000
PAUSE = 0.05
LONGEST = 0.06
"""Seconds. A batch that took longer is followed by one that should take half of this."""
FIRST, SMALLEST = 50, 10
"""Rows of the first batch, which meets pages that nobody has read for long, and of the smallest."""
MOST_OWED = 20_000
"""Rows of the outbox that are looked through for what they still need."""
_LATE_MS = 600_000
_AHEAD = timedelta(days=1)

_OF_MAILS: tuple[Any, ...] = (DeliveryEvent, BounceEvent)


class TooMuchOwed(Exception):
    """So many signals are owed that it is not known what they need: see to them first."""


@dataclass(slots=True)
class Pace:
    """How many rows a batch has at most, and the pause after each, in seconds."""

    batch: int = BATCH
    pause: float = PAUSE
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = min(self.batch, FIRST)

    def after(self, took: float) -> None:
        """Take less or more at once, by the seconds that a batch took; then pause."""
        if took > LONGEST:
            self.size = min(self.batch, max(SMALLEST, int(self.size * LONGEST / 2 / took)))
        elif took < LONGEST / 2:
            self.size = min(self.batch, self.size * 2)
        time.sleep(self.pause)


def ages() -> dict[str, int]:
    """The days of each kind that the project's `RETENTION` names, in the order in which kinds are pruned."""
    wanted = app_settings.retention
    return {kind: wanted[kind] for kind in KINDS if kind in wanted}


def run(using: str) -> dict[str, int]:
    """Prune all kinds as `RETENTION` says, by the clock of now; how many rows of each kind went.

    Raises:
        TooMuchOwed: nothing more was pruned.
        durable.Unavailable: the database gave way; what was pruned before stays so.
    """
    now = datetime.now(UTC)
    return {kind: prune(using, kind, now - timedelta(days=days)) for kind, days in ages().items()}


def prune(
    using: str,
    kind: str,
    before: datetime,
    *,
    pace: Pace | None = None,
    dry_run: bool = False,
    progress: Callable[[int], Any] = lambda done: None,
) -> int:
    """Let go what is older than `before` (aware); how many rows it was.

    Notifications and rejected events are as old as their receipt, mails as the receipt of their first event,
    events as the time in their key: CMC's clock in the webhook's zone. If they have none, or one that is more
    than a day to come, it is their receipt.
    A mail goes with its events, and stays while one of them is younger. What a signal needs that is owed or
    dead stays. Each batch is committed by itself, so it may be interrupted, and goes on when run again.

    Raises:
        TooMuchOwed, durable.Unavailable: as for `run`.
    """
    pace = pace or Pace()
    needed = _Needed(using)
    done = 0
    for step in KINDS[kind](_Age.of(using, before)):
        for keys in _batches(step, pace):
            began = time.monotonic()
            free = step.free(needed.without(keys) if step.is_told else keys)
            if free and not dry_run:
                number = durable.run(using, partial(_let_go, using, step, free))
                pace.after(time.monotonic() - began)
            else:
                number = len(free)
            done += number
            progress(number)
    return done


class _Age(NamedTuple):
    """What is old: stored times before `before`, our keys below `key`, event keys below `event`.

    Event keys from `ahead` on tell a time that is still to come.
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
            rows.stored(before),
            wire.key_at(before.astimezone(UTC)),
            wire.key_at(before.astimezone(zone)),
            wire.key_at(datetime.now(zone) + _AHEAD),
        )

    def old(self, model: Any, **conditions: Any) -> QuerySet[Any]:
        """The rows of a model that meet these conditions."""
        found: QuerySet[Any] = model._default_manager.using(self.using).filter(**conditions)
        return found

    def old_events(self, model: Any) -> Iterator[QuerySet[Any]]:
        """The old rows of a kind of events: by CMC's clock, or by receipt where that tells no time yet."""
        yield self.old(model, pk__gte=wire.UNTIMED_END, pk__lt=self.event)
        yield self.old(model, pk__lt=wire.UNTIMED_END, received_at__lt=self.before)
        yield self.old(model, pk__gte=max(self.event, self.ahead), received_at__lt=self.before)

    def is_young(self) -> Q:
        """The condition for events that are not old."""
        is_odd = Q(pk__lt=wire.UNTIMED_END) | Q(pk__gte=self.ahead)
        return Q(pk__gte=self.event, pk__lt=self.ahead) | is_odd & Q(received_at__gte=self.before)


class _Step(NamedTuple):
    """Old rows, which of them may go, and how a batch of them goes inside a transaction; it says how many.

    `is_told`: signals tell of such rows, so those that are owed or dead need them.
    """

    old: QuerySet[Any]
    let_go: Callable[[str, list[UUID]], int]
    order: str = "pk"
    free: Callable[[list[UUID]], list[UUID]] = list
    is_told: bool = True


def _notifications(age: _Age) -> Iterator[_Step]:
    old = age.old(Notification, pk__lt=age.key)
    yield _Step(old, partial(store.remove, model=Notification), is_told=False)


def _rejected(age: _Age) -> Iterator[_Step]:
    old = age.old(RejectedEvent, received_at__lt=age.before)
    yield _Step(old, partial(store.remove, model=RejectedEvent), is_told=False)


def _events(age: _Age) -> Iterator[_Step]:
    for model in (*_OF_MAILS, BlockEvent):
        for old in age.old_events(model):
            yield _Step(old, partial(store.remove, model=model))


def _mails(age: _Age) -> Iterator[_Step]:
    def free(keys: list[UUID]) -> list[UUID]:
        kept: set[UUID] = set()
        for model in _OF_MAILS:
            young = age.old(model, mail_id__in=keys).filter(age.is_young())
            kept |= set(young.values_list("mail_id", flat=True))
        return [key for key in keys if key not in kept]

    def let_go(using: str, keys: list[UUID]) -> int:
        locked = {mail.pk: mail for mail in age.old(Mail, pk__in=keys).select_for_update().order_by("pk")}
        going = free(list(locked))  # again: behind the locks nothing is added
        moves = counts.Moves()
        for key in going:
            moves.move(counts.cell(locked[key]), None)
        store.remove_mails(using, going)
        store.count(using, counts.parts(moves, datetime.now(UTC)))
        return len(going)

    yield _Step(age.old(Mail, created_at__lt=age.before), let_go, order="created_at", free=free)


def _personal(age: _Age) -> Iterator[_Step]:
    old_mails = age.old(Mail, created_at__lt=age.before, erased_at=None)
    yield _Step(old_mails, store.blank_mails, order="created_at")
    for old in age.old_events(BlockEvent):
        yield _Step(old.exclude(address="", raw={}), store.blank_blocks)
    old_rejections = age.old(RejectedEvent, received_at__lt=age.before).exclude(raw="")
    yield _Step(old_rejections, store.blank_rejections, is_told=False)


KINDS: dict[str, Callable[[_Age], Iterator[_Step]]] = {
    "notifications": _notifications,
    "rejected": _rejected,
    "events": _events,
    "mails": _mails,
    "personal": _personal,
}


def _batches(step: _Step, pace: Pace) -> Iterator[list[UUID]]:
    """The keys of all old rows, behind those before; none is looked at twice, whether it went or not."""
    old = step.old.order_by(*dict.fromkeys((step.order, "pk"))).values_list(step.order, "pk")
    page = old
    while some := list(page[: pace.size]):
        yield [key for _, key in some]
        place, last = some[-1]
        behind = Q(pk__gt=last) if step.order == "pk" else Q(**{f"{step.order}__gt": place}) | Q(pk__gt=last)
        page = old.filter(behind, **{f"{step.order}__gte": place})


def _let_go(using: str, step: _Step, keys: list[UUID]) -> int:
    with durable.atomic(using):
        return step.let_go(using, keys)


class _Needed:
    """The events and mails that signals in the outbox refer to."""

    def __init__(self, using: str) -> None:
        self._outbox = PendingSignal._default_manager.using(using).order_by("pk")
        self._keys: set[UUID] = set()
        self._latest_ms: int | None = None

    def without(self, keys: list[UUID]) -> list[UUID]:
        """Those that no signal needs now; rows of the outbox that came since the last time are looked at."""
        unseen = self._outbox
        if self._latest_ms is not None:  # and a little further back: rows are not committed in key order
            unseen = unseen.filter(pk__gt=wire.time_key(self._latest_ms - _LATE_MS))
        for number, row in enumerate(unseen.iterator(chunk_size=500)):
            if number >= MOST_OWED:
                raise TooMuchOwed(f"more than {MOST_OWED:,} rows of signals are owed or dead")
            self._latest_ms = min(wire.key_ms(row.pk), time.time_ns() // 1_000_000)  # a host may be ahead
            self._keys |= {UUID(fact[name]) for fact in row.facts for name in ("event", "mail") if fact[name]}
        return [key for key in keys if key not in self._keys] if self._keys else keys
