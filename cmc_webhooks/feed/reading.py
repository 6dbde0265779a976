"""Reading of the change feed."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Exists

from cmc_webhooks.conf import app_settings
from cmc_webhooks.feed.cursors import Cursor, Gone
from cmc_webhooks.feed.numbering import number_changes
from cmc_webhooks.models import BlockEvent, Change, FeedHead, Mail, Suppression, routing
from cmc_webhooks.store import changes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import datetime
    from uuid import UUID

    from django.db.models import Model

__all__ = ["Entry", "FeedOff", "Page", "State", "check", "end_epoch", "head", "read", "state"]

SECONDS = 2.0
"""The time that a reader spends on numbering at most. The rest is left to the next one."""
MOST = 1000

_MODELS: dict[str, tuple[type[Model], ...]] = {
    Change.Kinds.MAIL: (Mail,),
    Change.Kinds.ERASED: (Mail,),
    Change.Kinds.BLOCK: (BlockEvent,),
    Change.Kinds.SUPPRESSION: (Suppression,),
    # There again if it was sent again: of two transactions, the later one may have the lower number
    Change.Kinds.DELETED: (Mail, BlockEvent),
}


class FeedOff(Exception):
    """The setting `CHANGE_FEED` is off: nothing is recorded."""


class State(NamedTuple):
    """The end of the feed. `trimmed` is the highest number that retention deleted."""

    epoch: str
    seq: int
    trimmed: int

    @property
    def cursor(self) -> str:
        return str(Cursor(self.epoch, self.seq))


class Entry(NamedTuple):
    """A change. `row` is the changed row as it is now, or None if there is none any more.

    `seq` is its number. `kind` is one of `Change.Kinds`. `key` is the primary key of the row. `at` is the
    time of the change, as stored.
    """

    seq: int
    kind: str
    key: UUID
    server_composition: str
    at: datetime
    row: Any


class Page(NamedTuple):
    """Changes in the order of their numbers, and the cursor behind them. `more`: others follow already."""

    entries: list[Entry]
    cursor: str
    more: bool


def state(using: str | None = None, *, number: bool = True) -> State:
    """Return the end of the feed, with all that was committed before the call, by one statement if idle.

    Do not call it inside a transaction: what it reads must be what is committed. With `number=False`, which
    may be called anywhere, return the end of what is numbered.

    Raises:
        FeedOff: the feed is off.
        transactions.Unavailable: the database is unavailable.
    """
    if not app_settings.change_feed:
        raise FeedOff
    using = using or routing.write_alias()
    try:
        found, is_complete = _look(using)
    except FeedHead.DoesNotExist:  # nothing was numbered yet
        found, is_complete = State("", 0, 0), False
    if is_complete or not number:
        return found
    number_changes(using, seconds=SECONDS)
    return _look(using)[0]


def head(using: str | None = None) -> str:
    """Return the cursor at the end of the feed, for a copy that begins: take it before the tables are read.

    Raises:
        FeedOff, transactions.Unavailable: see `state`.
    """
    return state(using).cursor


def check(after: str, now: State) -> Cursor:
    """Return the cursor that a text holds.

    Raises:
        NotACursor: it holds none.
        Gone: it is of another epoch, or retention has deleted changes behind it.
    """
    cursor = Cursor.parse(after)
    if cursor.epoch != now.epoch or not now.trimmed <= cursor.seq <= now.seq:
        raise Gone("Changes behind this cursor are missing: take a new cursor and copy everything again.")
    return cursor


def read(
    after: str,
    *,
    limit: int = MOST,
    kinds: Collection[str] = (),
    using: str | None = None,
    now: State | None = None,
    load: Callable[[type[Model], Collection[UUID]], Iterable[Any]] | None = None,
) -> Page:
    """Return the changes after a cursor, at most `limit`, each with its row as it is now.

    `kinds` chooses some of `Change.Kinds`; by default all. A copy stores `row`, or deletes what it has by
    `key` if that is None, whatever the kind: a row that changed twice comes twice as it is now.

    `now` is what `state` returned, if it was called already. `load` returns rows of a model by their keys, by
    default from the database that is written to.

    Raises:
        NotACursor, Gone: see `check`.
        FeedOff, transactions.Unavailable: see `state`.
    """
    using = using or routing.write_alias()
    now = now or state(using)
    cursor = check(after, now)
    found = Change._default_manager.using(using).filter(seq__gt=cursor.seq, seq__lte=now.seq).order_by("seq")
    if kinds:
        found = found.filter(kind__in=kinds)
    some = []
    if cursor.seq < now.seq:
        some = list(found[: limit + 1])
        check(after, _look(using)[0])  # retention may have deleted some meanwhile
    page, more = some[:limit], len(some) > limit
    rows = _rows(page, load or (lambda model, keys: model._default_manager.using(using).filter(pk__in=keys)))
    entries = [
        Entry(each.seq or 0, each.kind, each.key, each.server_composition, each.at, rows.get(each.key))
        for each in page
    ]
    return Page(entries, str(Cursor(now.epoch, entries[-1].seq)) if more else now.cursor, more)


def end_epoch(using: str | None = None) -> bool:
    """Make every cursor invalid, as after the database was restored. Return whether there was a feed."""
    return bool(changes.renew_epoch(using or routing.write_alias()))


def _look(using: str) -> tuple[State, bool]:
    """Return the end of the feed, and whether all changes are numbered."""
    unnumbered = Change._default_manager.using(using).filter(seq=None)
    heads = FeedHead._default_manager.using(using).filter(pk=changes.HEAD)
    row = heads.annotate(rest=Exists(unnumbered)).values_list("epoch", "seq", "trimmed", "rest").get()
    return State(*row[:3]), not row[3]


def _rows(
    page: Iterable[Change], load: Callable[[type[Model], Collection[UUID]], Iterable[Any]]
) -> dict[UUID, Any]:
    """Return the rows of these changes by key, as they are now."""
    keys: defaultdict[type[Model], set[UUID]] = defaultdict(set)
    for each in page:
        for model in _MODELS[each.kind]:
            keys[model].add(each.key)
    return {row.pk: row for model, of_it in keys.items() for row in load(model, of_it)}
