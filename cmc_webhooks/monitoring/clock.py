"""Detection of wrong clocks.

With a wrong `TIME_ZONE`, the times of events are ahead of their receipt. After the clock of a server was
wrong, there are receipts in the future.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Count, Exists, Max, Subquery
from django.utils.translation import gettext

from cmc_webhooks import audit, timezones, wire
from cmc_webhooks.db import transactions
from cmc_webhooks.models import BounceEvent, DeliveryEvent, Notification, Trail

if TYPE_CHECKING:
    from cmc_webhooks.models import MailEvent

__all__ = ["AHEAD", "Latest", "accept_future", "future", "latest", "question"]

ALONE = 2
"""Number of events that may be ahead: a single one may come from a host with a wrong clock."""
STEP = timedelta(minutes=15)
"""Zones differ by multiples of this."""
TOLERATED = timedelta(minutes=10)
"""Difference between two clocks that are more or less right."""
FURTHEST = timedelta(hours=27)
"""More than the largest difference between two zones. A later time has another cause."""
AHEAD = timedelta(minutes=1)
"""A receipt that is further ahead was stored while the clock of its server was wrong."""
MOST_FUTURE = 1_000
"""Maximum number of receipts in the future that are counted beyond those that were accepted."""


class Latest(NamedTuple):
    """The time of CMC's last notification, aware, and by how much CMC's times are ahead of ours.

    `has_future` says whether there are receipts in the future, accepted or not.
    """

    posted: datetime | None
    ahead: timedelta
    has_future: bool = False


def latest(using: str) -> Latest:
    """Return what the latest notification and the latest events say, in one query.

    Notifications that were received in the future are skipped. Late events have smaller keys, so those of
    the greatest keys are on time.
    """
    kinds: tuple[type[MailEvent], ...] = (DeliveryEvent, BounceEvent)
    # ordered by time, not by key, as in Notification.last_posted
    posted = _received(using).filter(source=Notification.Sources.WEBHOOK, received_at__lte=_future_begins())
    values: dict[str, Any] = {
        f"{column}_{number}": Subquery(_on_time(using, kind).values(column)[ALONE : ALONE + 1])
        for number, kind in enumerate(kinds)
        for column in ("occurred_at", "received_at")
    }
    values["posted"] = Subquery(posted.order_by("-received_at").values("received_at")[:1])
    values["has_future"] = Exists(_in_future(using))
    row: Any = next(iter(_received(using).values(**values)[:1]), None)
    if row is None:
        return Latest(None, timedelta())
    pairs = [(row[f"occurred_at_{number}"], row[f"received_at_{number}"]) for number in range(len(kinds))]
    ahead = max((occurred - received for occurred, received in pairs if occurred), default=timedelta())
    is_known = TOLERATED < ahead < FURTHEST
    return Latest(
        timezones.to_aware(row["posted"]) if row["posted"] else None,
        round(ahead / STEP) * STEP if is_known else timedelta(),
        row["has_future"],
    )


def future(using: str) -> int:
    """Return the number of receipts in the future that nobody has accepted, in two queries."""
    accepted = _accepted(using)
    number: int = _in_future(using)[: accepted + MOST_FUTURE].count()
    return max(0, number - accepted)


def accept_future(using: str, actor: audit.Actor) -> int:
    """Accept the receipts that are in the future now, and return their number. Later ones are reported again.

    A record in the trail keeps who accepted them and why.

    Raises:
        transactions.Unavailable: the database is unavailable.
    """
    found = partial(_in_future(using).aggregate, number=Count("pk"), last=Max("received_at"))
    accepted = transactions.run(using, found)
    number: int = accepted["number"]
    if number:
        last = timezones.to_aware(accepted["last"]).isoformat()
        work = partial(audit.add, Trail.Actions.CLOCK, actor, number, using=using, last=last)
        transactions.run(using, work)
    return number


def question(ahead: timedelta) -> tuple[str, str]:
    """Return by how much CMC's times are ahead, and a question about the setting."""
    hours, rest = divmod(ahead, timedelta(hours=1))
    values = {"hours": hours, "minutes": rest // timedelta(minutes=1)}
    if not rest:
        text = gettext("CMC's times are %(hours)d h ahead of ours.")
    else:
        text = gettext("CMC's times are %(hours)d h %(minutes)d min ahead of ours.")
    return text % values, gettext("Is CMC_WEBHOOKS_TIME_ZONE the zone chosen in CMC's console?")


def _future_begins() -> datetime:
    return timezones.to_stored(datetime.now(UTC) + AHEAD)


def _received(using: str) -> Any:
    return Notification._default_manager.using(using).order_by()


def _in_future(using: str) -> Any:
    """Return the notifications of any source that were received in the future."""
    # the sources are named because the index begins with them
    return _received(using).filter(source__in=Notification.Sources.values, received_at__gt=_future_begins())


def _accepted(using: str) -> int:
    """Return the number of receipts that were accepted last, 0 if none of them lies in the future now."""
    records = Trail._default_manager.using(using).filter(what=Trail.Actions.CLOCK)
    rows, details = records.order_by("-pk").values_list("rows", "details").first() or (0, {})
    last = details.get("last")
    is_over = last is not None and datetime.fromisoformat(last) <= datetime.now(UTC) + AHEAD
    return 0 if is_over else rows or 0


def _on_time(using: str, kind: Any) -> Any:
    bound = datetime.now(UTC).replace(tzinfo=None) + FURTHEST
    return kind._default_manager.using(using).filter(pk__lt=wire.key_at(bound)).order_by("-pk")
