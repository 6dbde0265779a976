"""Roll up the figures that are not counted at ingest: those by domain, and times to success."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from django.db.models import Case, Count, F, IntegerField, Max, Q, When

from cmc_webhooks import timezones, wire
from cmc_webhooks.db import transactions
from cmc_webhooks.db.text import exactly, grouped
from cmc_webhooks.models import DomainCount, Mail, MailCount
from cmc_webhooks.statistics import deltas, histogram
from cmc_webhooks.status import BOUNCED, DeliveryStatus
from cmc_webhooks.store import counts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date


__all__ = ["roll_up"]

DOMAINS_A_DAY = 200
"""Number of domains with a separate row, for each day and composition."""
FRESH = timedelta(minutes=3)
"""Younger roll-ups are not repeated. With a sweep each minute, figures are at most five minutes old."""
OLD = timedelta(days=2)
"""Time from the end of a day until the shards of its counters are joined."""
_LONGEST_TRANSACTION = timedelta(minutes=1)
_HOUR, _AHEAD = timedelta(hours=1), timedelta(minutes=1)


def roll_up(using: str, *, seconds: float = float("inf"), fresh: timedelta = FRESH) -> int:
    """Roll up domains and latencies of each day and composition that changed since; return their number.

    Any number of processes may do so at once: each claims what no other has claimed. No further one is begun
    after `seconds`.
    """
    deadline = time.monotonic() + seconds
    done = 0
    for day, composition, rolled_up_at in _stale(using, fresh):
        if time.monotonic() >= deadline:
            break
        done += transactions.run(using, partial(_roll_up_day, using, day, composition, rolled_up_at))
    return done


def _stale(using: str, fresh: timedelta) -> Iterator[tuple[date, str, datetime | None]]:
    """Yield each day and composition that changed since its roll-up, newest first, with the roll-up's time.

    Roll-ups younger than `fresh` are skipped. After the clock of a server was wrong, a time may lie in the
    future: such a roll-up is repeated, and days with such a change are rolled up every hour.
    """
    marks = DomainCount._default_manager.using(using).filter(domain="")
    rolled = {(mark.day, mark.server_composition): mark.rolled_up_at for mark in marks}
    units = grouped(MailCount._default_manager.using(using), "day", "server_composition")
    now = datetime.now(UTC)
    oldest, hour_ago, future = map(timezones.to_stored, (now - fresh, now - _HOUR, now + _AHEAD))
    changed = units.annotate(
        last=Max("changed_at", filter=Q(changed_at__lte=future)),
        ahead=Max("changed_at", filter=Q(changed_at__gt=future)),
    ).values_list("day", "server_composition", "last", "ahead")
    for day, composition, last, ahead in changed.order_by("-day"):
        mark = rolled.get((day, composition))
        has_changed = mark is not None and last is not None and last >= mark - _LONGEST_TRANSACTION
        if (
            mark is None
            or mark > future
            or (mark <= oldest and has_changed)
            or (mark <= hour_ago and ahead is not None)
        ):
            yield day, composition, mark


def _roll_up_day(using: str, day: date, composition: str, rolled_up_at: datetime | None) -> bool:
    """Replace the rows of a day and composition; return False if another process did."""
    now = timezones.to_stored(datetime.now(UTC))
    with transactions.atomic(using):
        if not counts.take_domain_counts(using, _mark(day, composition, now), rolled_up_at):
            return False
        if now - timezones.day_range(day)[1] > OLD:
            _join_shards(using, day, composition)
        by_domain = _domains(using, day, composition)
        largest = sorted(by_domain, key=lambda domain: (-by_domain[domain].mails, domain))[:DOMAINS_A_DAY]
        named = {domain: by_domain[domain] for domain in largest if domain}
        others = sum((sums for domain, sums in by_domain.items() if domain not in named), _Sums())
        counts.replace_domain_counts(
            using,
            [_row(day, composition, domain, sums, now) for domain, sums in (named | {"": others}).items()],
        )
    return True


def _join_shards(using: str, day: date, composition: str) -> None:
    """Join the shards of each counter into one row: a day with few writers left needs no shards."""
    parts = counts.take_counts(using, day, composition)
    moves = deltas.CountDeltas()
    for part in parts:
        if part.shard:
            moves[deltas.CountKey(day, part.server_composition, part.status, part.bounce_class)] += (
                part.number
            )
    if moves:
        latest = timezones.to_aware(max(part.changed_at for part in parts))
        counts.count(using, deltas.to_rows(moves, latest, shard=0))


@dataclass(slots=True)
class _Sums:
    """Counters and latencies of the mails to one domain."""

    mails: int = 0
    succeeded: int = 0
    failed: int = 0
    bounced: int = 0
    latencies: list[int] = field(default_factory=list)

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(
            self.mails + other.mails,
            self.succeeded + other.succeeded,
            self.failed + other.failed,
            self.bounced + other.bounced,
            histogram.add(self.latencies, other.latencies),
        )


def _domains(using: str, day: date, composition: str) -> dict[str, _Sums]:
    """Return the sums of each domain.

    One query over the day's mails, grouped by domain, status and time to success.
    """
    begin, end = timezones.day_range(day)
    mails = Mail.objects.using(using).filter(created_at__gte=begin, created_at__lt=end)
    took = F("status_at") - F("first_event_at")
    # If the first event of a mail is its success, the delivery time is unknown.
    known = Q(status=DeliveryStatus.SUCCEEDED) & (
        ~Q(previous_status="") | Q(status_at__gt=F("first_event_at"))
    )
    places = [
        When(took__lt=timedelta(seconds=edge), then=number) for number, edge in enumerate(histogram.EDGES)
    ]
    timed = exactly(mails, "server_composition", composition).annotate(took=took)
    place = Case(When(~known, then=-1), *places, default=len(histogram.EDGES), output_field=IntegerField())
    groups = grouped(timed, "domain", "status", place=place).annotate(all=Count("pk"))
    by_domain: defaultdict[str, _Sums] = defaultdict(_Sums)
    for group in groups:
        number, status = group["all"], group["status"]
        sums = by_domain[group["domain"]]
        sums.mails += number
        sums.succeeded += number * (status == DeliveryStatus.SUCCEEDED)
        sums.failed += number * (status == DeliveryStatus.FAILED)
        sums.bounced += number * (status == BOUNCED)
        if group["place"] >= 0:
            classes = Counter({group["place"]: number})
            sums.latencies = histogram.add(
                sums.latencies, [classes[place] for place in range(len(histogram.EDGES) + 1)]
            )
    return dict(by_domain)


def _mark(day: date, composition: str, moment: datetime) -> DomainCount:
    return _row(day, composition, "", _Sums(), moment)


def _row(day: date, composition: str, domain: str, sums: _Sums, moment: datetime) -> DomainCount:
    return DomainCount(
        id=wire.count_key("domain", str(day), composition, domain),
        day=day,
        server_composition=composition,
        domain=domain,
        mails=sums.mails,
        succeeded=sums.succeeded,
        failed=sums.failed,
        bounced=sums.bounced,
        latencies=sums.latencies,
        rolled_up_at=moment,
    )
