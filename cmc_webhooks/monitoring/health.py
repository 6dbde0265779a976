"""Health of the app: pending and dead signals, rejected events, and the time of CMC's last notification."""

from __future__ import annotations

import re
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.db import connections
from django.db.models import CharField, Count, Func, IntegerField, Min, Sum
from django.db.models.functions import Cast

from cmc_webhooks import wire
from cmc_webhooks.conf import app_settings
from cmc_webhooks.db import transactions
from cmc_webhooks.models import PendingSignal, RejectedEvent
from cmc_webhooks.models.notifications import IS_OPEN
from cmc_webhooks.monitoring import clock, problems, refusals, silence
from cmc_webhooks.store import rejections

if TYPE_CHECKING:
    from django.db.models import QuerySet

__all__ = ["MAX_AGE", "Health", "look", "look_apart", "seconds"]

MAX_AGE = 900.0
"""Seconds that a signal may be pending before this is a problem."""
MOST_ROWS = 1_000
"""Maximum number of outbox rows read, for each state. Beyond it, the exact number does not matter."""
MOST_REJECTED = rejections.MAX_OPEN_REJECTIONS
"""Maximum number of rejected events that are counted. Hardly more are ever kept."""

_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_PUBLISHED = frozenset(
    ("pending", "oldest_pending", "dead", "rejected", "last_notification", "silence", "counted_all")
)
"""The fields of the JSON. Programs read them, so they stay."""


class _Length(Func):
    """The number of items in a JSON list."""

    function = "JSON_ARRAY_LENGTH"
    output_field = IntegerField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, function="JSONB_ARRAY_LENGTH", **context)

    def as_mysql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, function="JSON_LENGTH", **context)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Counts of rows and signals. Times are aware, ages are in seconds; both are None if there is nothing.

    For each state, at most `MOST_ROWS` rows of the outbox are read, those due first, each with up to 25
    signals. If there are more rows, or more than `MOST_REJECTED` rejected events, `counted_all` is false, and
    each number and age is a lower bound. `last_notification` is the last one that CMC posted: fetched or
    reprocessed events do not end a silence. `ahead` is by how much CMC's times are ahead of ours.

    `future` is the number of receipts in the future that nobody has accepted. They count neither for
    `last_notification` nor for `oldest_pending`. `pending_rows` and `dead_rows` are rows of the outbox.
    `silence_limit` is in seconds, None if there is no limit. `refused` are the requests refused in the past
    24 hours, `refused_accepted` is when they were accepted last.
    """

    pending: int
    oldest_pending: float | None
    dead: int
    rejected: int
    last_notification: datetime | None
    silence: float | None
    counted_all: bool = True
    ahead: timedelta = timedelta()
    pending_rows: int = 0
    dead_rows: int = 0
    future: int = 0
    silence_limit: float | None = None
    refused: tuple[refusals.Refused, ...] = ()
    refused_accepted: datetime | None = None

    def found(self, max_age: float = MAX_AGE, fail_if_silent: float | None = None) -> list[problems.Problem]:
        """Return the problems that need an operator, each with what to do.

        Problems are dead signals, rejected events, a signal pending for more than `max_age` seconds, receipts
        in the future, a wrong time zone, refused calls, and no notification for more than `fail_if_silent`
        seconds, by default `silence_limit`, or none ever.
        """
        return list(problems.find(self, max_age, fail_if_silent))

    def problems(self, max_age: float = MAX_AGE, fail_if_silent: float | None = None) -> list[str]:
        """Return the same as `found`, each problem as one line of text."""
        return [problem.text for problem in self.found(max_age, fail_if_silent)]

    def verdict(self, max_age: float = MAX_AGE, fail_if_silent: float | None = None) -> str:
        """Return one sentence that says that all is well, or a line for each problem."""
        return problems.verdict(self, self.found(max_age, fail_if_silent))

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON, with times in ISO form."""
        moment = self.last_notification
        values = {name: value for name, value in asdict(self).items() if name in _PUBLISHED}
        return values | {"last_notification": moment.isoformat() if moment else None}


class _Signals(NamedTuple):
    """Signals in some outbox rows: their number and that of the rows, the key of the oldest row.

    `is_all` says whether these are all rows.
    """

    number: int
    rows: int
    oldest: UUID | None
    is_all: bool


def look(using: str) -> Health:
    """Return the current state of the app, in five queries. Each reads a bounded number of rows by an index.

    Refused requests cost one more, and receipts in the future two. A silence of six hours costs one more, if
    the limit is learnt.

    Raises:
        transactions.Unavailable: the database is unavailable.
    """
    return transactions.run(using, partial(_look, using))


def look_apart(using: str) -> Health:
    """Call `look` in a thread that serves no request.

    An unusable or obsolete connection is closed first. A connection that the call opens is closed after it.

    Raises:
        transactions.Unavailable: the database is unavailable.
    """
    connection = connections[using]
    if not connection.in_atomic_block:  # inside a transaction, Django would close it as well
        connection.close_if_unusable_or_obsolete()
    was_closed = connection.connection is None
    try:
        return look(using)
    finally:
        if was_closed:
            connection.close()


def seconds(duration: str) -> float:
    """Return the seconds of a duration such as 90s, 30m, 2h or 1d.

    Raises:
        ValueError: the text is not a valid duration.
    """
    parts = _DURATION.fullmatch(duration)
    if parts is None:
        raise ValueError(f"{duration!r} is not a duration such as 90s, 30m, 2h or 1d")
    return float(int(parts[1]) * _UNITS[parts[2]])


def _look(using: str) -> Health:
    enqueued = PendingSignal._default_manager.using(using)
    pending = _signals(enqueued.filter(state=PendingSignal.States.PENDING))
    dead = _signals(enqueued.filter(state=PendingSignal.States.DEAD))
    still_open = RejectedEvent._default_manager.using(using).filter(IS_OPEN)
    rejected = still_open[: MOST_REJECTED + 1].count()
    moment, ahead, has_future = clock.latest(using)
    refused = tuple(refusals.recent(using))
    silent = max(0.0, (datetime.now(UTC) - moment).total_seconds()) if moment else None
    return Health(
        pending=pending.number,
        oldest_pending=_age(pending.oldest),
        dead=dead.number,
        rejected=min(rejected, MOST_REJECTED),
        last_notification=moment,
        silence=silent,
        ahead=ahead,
        pending_rows=pending.rows,
        dead_rows=dead.rows,
        future=clock.future(using) if has_future else 0,
        silence_limit=_silence_limit(using, silent),
        refused=refused,
        refused_accepted=refusals.accepted_at(using) if refused else None,
        counted_all=pending.is_all and dead.is_all and rejected <= MOST_REJECTED,
    )


def _age(oldest: UUID | None) -> float | None:
    """Return the seconds since the time in a key, 0 if it lies in the future."""
    return None if oldest is None else max(0.0, time.time() - wire.key_ms(oldest) / 1000)


def _silence_limit(using: str, silent: float | None) -> float | None:
    """Return the limit that the project has set, or that was learnt if the silence is long enough for it."""
    if not app_settings.learns_max_silence:
        return app_settings.max_silence
    return silence.learn(using) if silent is not None and silent > silence.SHORTEST else None


def _signals(enqueued: QuerySet[PendingSignal]) -> _Signals:
    """Return the number of signals in the rows due first, and the oldest of these rows.

    Keys are compared as text, which sorts in the same order: PostgreSQL before 18 has no `min(uuid)`.
    """
    first = enqueued.order_by("available_at")[: MOST_ROWS + 1]
    found = first.aggregate(
        number=Sum(_Length("items")), rows=Count("pk"), oldest=Min(Cast("pk", CharField(max_length=36)))
    )
    oldest = UUID(found["oldest"]) if found["oldest"] else None
    return _Signals(found["number"] or 0, found["rows"], oldest, found["rows"] <= MOST_ROWS)
