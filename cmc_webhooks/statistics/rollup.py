"""Counts that are not kept with each ingest: domains and latencies, rolled up; and proving all of them."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Case, Count, F, IntegerField, Max, Min, Q, Sum, Value, When
from django.utils import timezone

from cmc_webhooks import counts, durable, latency, rows, store, wire
from cmc_webhooks.models import DomainCount, Mail, MailCount
from cmc_webhooks.querysets import exactly, grouped
from cmc_webhooks.status import BOUNCED, DeliveryStatus, bounce_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date


__all__ = ["Recounted", "day_range", "days", "recount", "roll_up"]

DOMAINS_A_DAY = 200
"""Domains of one day and composition that have a row of their own."""
FRESH = timedelta(minutes=3)
"""What was rolled up so recently is left alone: with a sweep each minute, five minutes is the oldest."""
OLD = timedelta(days=2)
"""Since its end; then a day's counts are joined."""
_LONGEST_TRANSACTION = timedelta(minutes=1)


class Recounted(NamedTuple):
    """How many days were looked at, and by how many mails their counts were wrong in all."""

    days: int = 0
    wrong: int = 0


def day_range(day: date) -> tuple[datetime, datetime]:
    """When a day of the project's TIME_ZONE begins and ends, as the project stores times."""
    zone = timezone.get_default_timezone()
    begin, end = (datetime.combine(each, clock_time.min, zone) for each in (day, day + timedelta(days=1)))
    return rows.stored(begin), rows.stored(end)


def days(using: str) -> list[date]:
    """All days that have mails or counts, oldest first."""
    edges = Mail.objects.using(using).aggregate(first=Min("created_at"), last=Max("created_at"))
    found = set(MailCount._default_manager.using(using).values_list("day", flat=True).distinct())
    if edges["first"] is not None:
        zone = timezone.get_default_timezone()
        first, last = (rows.aware(edges[name]).astimezone(zone).date() for name in ("first", "last"))
        found |= {first + timedelta(days=number) for number in range((last - first).days + 1)}
    return sorted(found)


def recount(
    using: str,
    chosen: list[date],
    *,
    check: bool = False,
    progress: Callable[[int], Any] = lambda done: None,
) -> Recounted:
    """Count the mails of these days anew and put the counts right; with `check` nothing is written.

    A day is one statement that sees mails and counts at the same instant, and what is wrong is added: writers
    need not stop.
    """
    wrong = 0
    for day in chosen:
        moves = _wrong_by(using, day)
        wrong += sum(map(abs, moves.values()))
        if moves and not check:
            durable.run(using, partial(_correct, using, moves))
        progress(1)
    return Recounted(len(chosen), wrong)


def _correct(using: str, moves: counts.Moves) -> None:
    with durable.atomic(using):
        store.count(using, counts.parts(moves, datetime.now(UTC), shard=0))


def _wrong_by(using: str, day: date) -> counts.Moves:
    """What must be added to a day's counts."""
    begin, end = day_range(day)
    mails = Mail.objects.using(using).filter(created_at__gte=begin, created_at__lt=end)
    mails = mails.exclude(delivery_event_id=None, bounce_event_id=None)
    bounced = Case(When(bounce_event_id=None, then=0), default=1, output_field=IntegerField())
    there = grouped(mails, "server_composition", "status", "bounce_code", bounced=bounced)
    counted = MailCount._default_manager.using(using).filter(day=day)
    told = grouped(counted, "server_composition", "status", "bounce_class", bounced=Value(2))
    names = ("server_composition", "status")
    both = (
        there.annotate(all=Count("pk"))
        .values_list(*names, "bounce_code", "bounced", "all")
        .union(
            told.annotate(all=Sum("number")).values_list(*names, "bounce_class", "bounced", "all"), all=True
        )
    )
    moves = counts.Moves()
    for composition, status, word, kind, number in both:
        if kind == 2:
            moves[counts.Cell(day, composition, status, word)] -= number
        else:
            moves[counts.Cell(day, composition, status, bounce_class(word) if kind else "")] += number
    return counts.Moves({cell: number for cell, number in moves.items() if number})


def roll_up(using: str, *, seconds: float = float("inf"), fresh: timedelta = FRESH) -> int:
    """Roll up the domains and latencies of each day and composition that changed since; how many.

    Any number of processes may do so: each takes what no other has taken.
    """
    deadline = time.monotonic() + seconds
    done = 0
    for day, composition, rolled_up_at in _stale(using, fresh):
        if time.monotonic() >= deadline:
            break
        done += durable.run(using, partial(_roll_up_day, using, day, composition, rolled_up_at))
    return done


def _stale(using: str, fresh: timedelta) -> Iterator[tuple[date, str, datetime | None]]:
    """The days and compositions that changed since they were rolled up, the newest first."""
    marks = DomainCount._default_manager.using(using).filter(domain="")
    rolled = {(mark.day, mark.server_composition): mark.rolled_up_at for mark in marks}
    units = grouped(MailCount._default_manager.using(using), "day", "server_composition")
    changed = units.annotate(last=Max("changed_at")).values_list("day", "server_composition", "last")
    oldest = rows.stored(datetime.now(UTC) - fresh)
    for day, composition, changed_at in changed.order_by("-day"):
        mark = rolled.get((day, composition))
        if mark is None or (mark <= oldest and changed_at >= mark - _LONGEST_TRANSACTION):
            yield day, composition, mark


def _roll_up_day(using: str, day: date, composition: str, rolled_up_at: datetime | None) -> bool:
    """Replace a day's rows; False if another process did."""
    now = rows.stored(datetime.now(UTC))
    with durable.atomic(using):
        if not store.take_domain_counts(using, _mark(day, composition, now), rolled_up_at):
            return False
        if now - day_range(day)[1] > OLD:
            _join_shards(using, day, composition)
        by_domain = _domains(using, day, composition)
        largest = sorted(by_domain, key=lambda domain: (-by_domain[domain].mails, domain))[:DOMAINS_A_DAY]
        named = {domain: by_domain[domain] for domain in largest if domain}
        others = sum((sums for domain, sums in by_domain.items() if domain not in named), _Sums())
        store.replace_domain_counts(
            using,
            [_row(day, composition, domain, sums, now) for domain, sums in (named | {"": others}).items()],
        )
    return True


def _join_shards(using: str, day: date, composition: str) -> None:
    """A day that has few writers left needs no shards: its counts become a row each."""
    parts = store.take_counts(using, day, composition)
    moves = counts.Moves()
    for part in parts:
        if part.shard:
            moves[counts.Cell(day, part.server_composition, part.status, part.bounce_class)] += part.number
    if moves:
        latest = rows.aware(max(part.changed_at for part in parts))
        store.count(using, counts.parts(moves, latest, shard=0))


@dataclass(slots=True)
class _Sums:
    """The mails to one domain."""

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
            latency.add(self.latencies, other.latencies),
        )


def _domains(using: str, day: date, composition: str) -> dict[str, _Sums]:
    """One statement over the day's mails, grouped by domain, status and time to success."""
    begin, end = day_range(day)
    mails = Mail.objects.using(using).filter(created_at__gte=begin, created_at__lt=end)
    took = F("status_at") - F("first_event_at")
    # A mail whose first event is its success does not tell how long it took.
    known = Q(status=DeliveryStatus.SUCCEEDED) & (
        ~Q(previous_status="") | Q(status_at__gt=F("first_event_at"))
    )
    places = [
        When(took__lt=timedelta(seconds=edge), then=number) for number, edge in enumerate(latency.EDGES)
    ]
    timed = exactly(mails, "server_composition", composition).annotate(took=took)
    place = Case(When(~known, then=-1), *places, default=len(latency.EDGES), output_field=IntegerField())
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
            sums.latencies = latency.add(
                sums.latencies, [classes[place] for place in range(len(latency.EDGES) + 1)]
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
