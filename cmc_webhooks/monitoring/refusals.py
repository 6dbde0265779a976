"""Refused requests: counted in memory, added to the database by a separate thread at most once a minute.

A request only adds 1 to a number in memory. A process that is killed loses the counts of a minute at most. A
regular exit stores them. An unavailable database delays them.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial, reduce
from typing import NamedTuple

from django.core import mail
from django.db import connections

from cmc_webhooks import audit, timezones, wire
from cmc_webhooks.db import transactions
from cmc_webhooks.models import RefusalCount, Trail, routing
from cmc_webhooks.store import refusals as store

__all__ = [
    "INTERVAL_SECONDS",
    "KEPT",
    "Refused",
    "accept",
    "accepted_at",
    "count",
    "flush",
    "forget",
    "recent",
    "serious",
]

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 60.0
"""The time from the first request that is not stored yet until it is stored."""
KEPT = timedelta(days=30)
SHOWN = timedelta(hours=24)
HOUR = 3600
MOST_KEYS = 1_000
"""Maximum number of hours, statuses and reasons that a process keeps while the database is unavailable."""
FEW = 3
LASTING = timedelta(hours=1)
"""See `serious`."""

_Reasons = RefusalCount.Reasons
OF_CMC = frozenset(
    reason.value
    for reason in (
        _Reasons.API_KEY,
        _Reasons.BASIC,
        _Reasons.TOKEN,
        _Reasons.NO_SECRET,
        _Reasons.TOO_MANY,
        _Reasons.UNREADABLE,
    )
)
"""Reasons for which, if something is wrong, requests from CMC are refused, and hardly any others."""
OF_ANYBODY = frozenset(
    reason.value
    for reason in (
        _Reasons.NO_API_KEY,
        _Reasons.NO_BASIC,
        _Reasons.NO_TOKEN,
        _Reasons.ADDRESS,
        _Reasons.RECEIVED_MAIL,
    )
)
"""Reasons for which requests from anybody are refused, and from CMC if something is wrong."""


class Refused(NamedTuple):
    """A number of refused requests of one status and reason, and when the first and the last of them came.

    A sum knows its parts, one for each hour and process.
    """

    status: int
    reason: str
    number: int
    first: datetime
    last: datetime
    parts: tuple[Refused, ...] = ()

    def plus(self, other: Refused) -> Refused:
        """Return the sum of two counts of the same status and reason."""
        first, last = min(self.first, other.first), max(self.last, other.last)
        parts = (self.parts or (self,)) + (other.parts or (other,))
        return Refused(self.status, self.reason, self.number + other.number, first, last, parts)

    def since(self, moment: datetime) -> Refused | None:
        """Return the sum of the parts that began after a time, None if there are none."""
        later = [part for part in self.parts or (self,) if part.first > moment]
        return reduce(Refused.plus, later) if later else None


_Key = tuple[int, int, str]  # the hour since 1970, status, reason


class _Tally:
    """What this process has counted and not stored yet."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.flushing = threading.Lock()
        self.counts: dict[_Key, Refused] = {}
        self.thread: threading.Thread | None = None
        self.database = ""

    def add(self, counts: Mapping[_Key, Refused]) -> None:
        """Add counts. Beyond `MOST_KEYS` those of the oldest hours are dropped. Call it with the lock."""
        for key, refused in counts.items():
            known = self.counts.get(key)
            self.counts[key] = known.plus(refused)._replace(parts=()) if known else refused
        while len(self.counts) > MOST_KEYS:
            del self.counts[min(self.counts)]


_tally = _Tally()


def count(status: int, reason: str) -> None:
    """Count a refused request. Never raises, never blocks on I/O."""
    try:
        now = datetime.now(UTC)
        key = (int(now.timestamp()) // HOUR, status, reason)
        database = _database()
        with _tally.lock:
            _tally.add({key: Refused(status, reason, 1, now, now)})
            _tally.database = database
            _start_thread()
    except Exception as error:  # noqa: BLE001 - such as no more threads: the request is answered anyway
        logger.warning(
            "A refused request could not be counted: %s",
            type(error).__name__,
            extra={"cmc_event": "refusals_failed", "error": type(error).__name__},
        )


def flush(using: str | None = None) -> int:
    """Add what this process has counted to the database, and return the number of requests.

    Counts that are older than `KEPT` are deleted. If the database is unavailable, what was counted is kept
    for the next time, and a warning is logged. Never raises.
    """
    tally = _tally
    with tally.flushing:
        with tally.lock:
            counts, tally.counts = tally.counts, {}
        if not counts:
            return 0
        try:
            using = using or routing.write_alias()
            transactions.run(using, partial(store.count, using, [_row(*pair) for pair in counts.items()]))
        except Exception as error:  # noqa: BLE001 - the counts are kept, and it is logged
            with tally.lock:
                tally.add(counts)
            _failed(error)
            return 0
        try:
            now = datetime.now(UTC)
            bounds = timezones.to_stored(now - KEPT), timezones.to_stored(now + timedelta(days=1))
            transactions.run(using, partial(store.prune, using, *bounds))
        except Exception as error:  # noqa: BLE001 - the counts are stored, and the next time prunes
            _failed(error)
        return sum(refused.number for refused in counts.values())


def recent(using: str) -> list[Refused]:
    """Return the requests refused in the past 24 hours, by status and reason, most first. One query.

    What this process has not stored yet is included. The query reads a bounded number of rows by an index.
    """
    now = datetime.now(UTC)
    begin, end = now - SHOWN, now + timedelta(hours=1)
    found: dict[tuple[int, str], Refused] = {}
    rows = RefusalCount._default_manager.using(using).filter(
        hour__gte=timezones.to_stored(begin - timedelta(hours=1)),
        hour__lte=timezones.to_stored(end),
        last_at__gte=timezones.to_stored(begin),
        last_at__lte=timezones.to_stored(end),
    )
    stored = [
        Refused(status, reason, number, timezones.to_aware(first), timezones.to_aware(last))
        for status, reason, number, first, last in rows.values_list(
            "status", "reason", "number", "first_at", "last_at"
        )
    ]
    with _tally.lock:
        counted = list(_tally.counts.values())
    for refused in (*stored, *counted):
        if begin <= refused.last <= end:
            place = (refused.status, refused.reason)
            found[place] = found[place].plus(refused) if place in found else refused
    return sorted(found.values(), key=lambda each: (-each.number, each.status, each.reason))


def accept(using: str, actor: audit.Actor) -> int:
    """Accept the requests refused so far, and return their number. Later ones are reported again.

    A record in the trail keeps who accepted them and why.

    Raises:
        transactions.Unavailable: the database is unavailable.
    """
    number = sum(each.number for each in transactions.run(using, partial(recent, using)))
    if number:
        transactions.run(using, partial(audit.add, Trail.Actions.REFUSED, actor, number, using=using))
    return number


def accepted_at(using: str) -> datetime | None:
    """Return when refused requests were accepted last, None if never. One query."""
    records = Trail._default_manager.using(using).filter(what=Trail.Actions.REFUSED)
    moment = records.order_by("-pk").values_list("at", flat=True).first()
    return None if moment is None else timezones.to_aware(moment)


def serious(
    refused: Iterable[Refused], last_posted: datetime | None, accepted: datetime | None = None
) -> list[Refused]:
    """Return the refused requests that an operator must look into, as they may be from CMC.

    They are a problem until CMC's next notification is stored. Three or more of them are also a problem for
    an hour after the last one, unless anybody's requests are refused for that reason. Of those, three or more
    must have come in hours that began after CMC's last notification: it and a scanner may share an hour.

    Those until `accepted` are none. For a reason of anybody's, neither are later ones of the same hour.
    """
    now = datetime.now(UTC)

    def of_anybody(each: Refused) -> Refused | None:
        later = each.since(
            max(filter(None, (last_posted, accepted)), default=datetime.min.replace(tzinfo=UTC))
        )
        return later if later is not None and later.number >= FEW else None

    def of_cmc(each: Refused) -> Refused | None:
        if accepted is not None and each.last <= accepted:
            return None
        lasting = each.number >= FEW and each.last > now - LASTING
        return each if last_posted is None or last_posted < each.last or lasting else None

    judged = [
        of_anybody(each) if each.reason in OF_ANYBODY else of_cmc(each)
        for each in refused
        if each.reason in OF_ANYBODY or each.reason in OF_CMC
    ]
    return [each for each in judged if each is not None]


def forget() -> None:
    """Drop what this process has counted and not stored."""
    with _tally.lock:
        _tally.counts = {}


def _row(key: _Key, refused: Refused) -> RefusalCount:
    hour = datetime.fromtimestamp(key[0] * HOUR, UTC)
    return RefusalCount(
        id=wire.count_key("refusals", *map(str, key)),
        hour=timezones.to_stored(hour),
        status=refused.status,
        reason=refused.reason,
        number=refused.number,
        first_at=timezones.to_stored(refused.first),
        last_at=timezones.to_stored(refused.last),
    )


def _failed(error: Exception) -> None:
    described = str(error) if isinstance(error, transactions.Unavailable) else type(error).__name__
    logger.warning(
        "Counts of refused requests could not be stored: %s",
        described,
        extra={"cmc_event": "refusals_failed", "error": described},
    )


def _start_thread() -> None:
    """Start the thread that stores the counts in a minute, unless there is one. Call it with the lock."""
    is_running = _tally.thread is not None and _tally.thread.is_alive()
    if not is_running and not _is_test():
        thread = threading.Thread(target=_store_later, name="cmc_webhooks refusals", daemon=True)
        thread.start()
        _tally.thread = thread


def _store_later() -> None:
    """Store the counts in a minute, and again after each minute until nothing is left to store."""
    tally = _tally
    while True:
        time.sleep(INTERVAL_SECONDS)
        flush()
        connections.close_all()  # those of this thread
        with tally.lock:
            if not tally.counts:
                tally.thread = None
                return


def _is_test() -> bool:
    """Return whether Django's test environment is set up. A thread would lock the tables of a test."""
    return hasattr(mail, "outbox")


def _database() -> str:
    return str(connections[routing.write_alias()].settings_dict["NAME"])


def _at_exit() -> None:
    """Store the last counts, unless they are of a test database that no longer exists."""
    if _tally.counts and _tally.database == _database():
        flush()


def _after_fork() -> None:
    """Start with no counts: the parent stores its own, and its thread and locks are not inherited."""
    global _tally
    _tally = _Tally()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
