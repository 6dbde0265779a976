"""What an operator must know at a glance: what is owed, what died, what was rejected, when CMC last spoke."""

from __future__ import annotations

import re
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.db import connections
from django.db.models import CharField, Count, Func, IntegerField, Min, Sum
from django.db.models.functions import Cast

from cmc_webhooks import durable, rows, store, wire
from cmc_webhooks.models import Notification, PendingSignal, RejectedEvent

if TYPE_CHECKING:
    from django.db.models import QuerySet

__all__ = ["MAX_AGE", "Health", "look", "look_apart", "seconds"]

MAX_AGE = 900.0
"""Seconds that a signal may be owed before something is wrong."""
MOST_ROWS = 1_000
"""Rows of the outbox that are read: whoever owes more has to know that, not how much more."""
MOST_REJECTED = store.MAX_OPEN_REJECTIONS
"""Rejected events that are counted; hardly more are ever kept."""

_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class _Length(Func):
    """How many items a list in JSON has."""

    function = "JSON_ARRAY_LENGTH"
    output_field = IntegerField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, function="JSONB_ARRAY_LENGTH", **context)

    def as_mysql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, function="JSON_LENGTH", **context)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Counts of rows and signals; times are aware, ages are seconds; None where there is nothing.

    Of the outbox at most `MOST_ROWS` rows are looked at, those that are due first, each with up to 25
    signals. Where there are more, `counted_all` is false, and each number and age is the least it can be.
    The last notification is the last that CMC posted: nothing that was fetched or read again ends a silence.
    """

    pending: int
    oldest_pending: float | None
    dead: int
    rejected: int
    last_notification: datetime | None
    silence: float | None
    counted_all: bool = True

    def problems(self, max_age: float = MAX_AGE, fail_if_silent: float | None = None) -> list[str]:
        """What an operator must see to.

        Such things are a signal owed for more than `max_age` seconds and, if `fail_if_silent` is given, no
        notification for more than that many seconds, or none ever.
        """
        found, least = [], "" if self.counted_all else "at least "
        if self.dead:
            found.append(f"{least}{self.dead} signals are dead: see Pending signals in the admin")
        if self.oldest_pending is not None and self.oldest_pending > max_age:
            found.append(
                f"a signal is owed for {self.oldest_pending:.0f} s: does cmc_dispatch or a worker run?"
            )
        if self.rejected:
            found.append(f"{least}{self.rejected} events were rejected: see Rejected events in the admin")
        if fail_if_silent is not None and self.silence is None:
            found.append("no notification ever came: is the address entered in CMC's console?")
        elif fail_if_silent is not None and self.silence is not None and self.silence > fail_if_silent:
            found.append(f"no notification came for {self.silence:.0f} s: does CMC still reach the webhook?")
        return found

    def as_dict(self) -> dict[str, Any]:
        """For JSON: times in ISO form."""
        moment = self.last_notification
        return asdict(self) | {"last_notification": moment.isoformat() if moment else None}


class _Signals(NamedTuple):
    """Signals in some rows of the outbox: how many, the key of the oldest row, whether these are all rows."""

    number: int
    oldest: UUID | None
    is_all: bool


def look(using: str) -> Health:
    """The state of the app now: four statements, each of which reads a bounded number of rows by an index.

    Raises:
        durable.Unavailable: the database gave way.
    """
    return durable.run(using, partial(_look, using))


def look_apart(using: str) -> Health:
    """`look`, for a thread that serves no request: it leaves no connection behind, and trusts no old one.

    Raises:
        durable.Unavailable: the database gave way.
    """
    connection = connections[using]
    if not connection.in_atomic_block:  # where it would be closed as well
        connection.close_if_unusable_or_obsolete()
    was_closed = connection.connection is None
    try:
        return look(using)
    finally:
        if was_closed:
            connection.close()


def seconds(duration: str) -> float:
    """The seconds of a duration such as 90s, 30m, 2h or 1d.

    Raises:
        ValueError: it is none.
    """
    parts = _DURATION.fullmatch(duration)
    if parts is None:
        raise ValueError(f"{duration!r} is no duration such as 90s, 30m, 2h or 1d")
    return float(int(parts[1]) * _UNITS[parts[2]])


def _look(using: str) -> Health:
    owed = PendingSignal._default_manager.using(using)
    pending = _signals(owed.filter(state=PendingSignal.States.PENDING))
    dead = _signals(owed.filter(state=PendingSignal.States.DEAD))
    still_open = RejectedEvent._default_manager.using(using).filter(resolved_at=None)
    rejected = still_open[: MOST_REJECTED + 1].count()
    last = Notification.last_posted(using)
    moment = rows.aware(last) if last else None
    return Health(
        pending=pending.number,
        oldest_pending=time.time() - wire.key_ms(pending.oldest) / 1000 if pending.oldest else None,
        dead=dead.number,
        rejected=min(rejected, MOST_REJECTED),
        last_notification=moment,
        silence=(datetime.now(UTC) - moment).total_seconds() if moment else None,
        counted_all=pending.is_all and dead.is_all and rejected <= MOST_REJECTED,
    )


def _signals(owed: QuerySet[PendingSignal]) -> _Signals:
    """What the rows that are due first hold.

    Keys are compared as text, which has their order: PostgreSQL before 18 has no least uuid.
    """
    first = owed.order_by("available_at")[: MOST_ROWS + 1]
    found = first.aggregate(
        number=Sum(_Length("items")), rows=Count("pk"), oldest=Min(Cast("pk", CharField(max_length=36)))
    )
    oldest = UUID(found["oldest"]) if found["oldest"] else None
    return _Signals(found["number"] or 0, oldest, found["rows"] <= MOST_ROWS)
