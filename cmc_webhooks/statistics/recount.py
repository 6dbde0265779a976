"""Recount the mails of a day, and correct the counters that ingest keeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Count, Max, Min, Sum, Value
from django.utils import timezone

from cmc_webhooks import timezones
from cmc_webhooks.db import transactions
from cmc_webhooks.db.text import grouped
from cmc_webhooks.models import Mail, MailCount
from cmc_webhooks.statistics import deltas
from cmc_webhooks.store import counts

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

__all__ = ["Recounted", "days", "recount"]


class Recounted(NamedTuple):
    """The number of days that were checked, and the number of mails by which their counters were wrong."""

    days: int = 0
    wrong: int = 0


def days(using: str) -> list[date]:
    """Return all days from the first mail to the last, and all days with counters, oldest first."""
    edges = Mail.objects.using(using).aggregate(first=Min("created_at"), last=Max("created_at"))
    found = set(MailCount._default_manager.using(using).values_list("day", flat=True).distinct())
    if edges["first"] is not None:
        zone = timezone.get_default_timezone()
        first, last = (timezones.to_aware(edges[name]).astimezone(zone).date() for name in ("first", "last"))
        found |= {first + timedelta(days=number) for number in range((last - first).days + 1)}
    return sorted(found)


def recount(
    using: str,
    chosen: list[date],
    *,
    check: bool = False,
    progress: Callable[[int], Any] = lambda done: None,
) -> Recounted:
    """Recount the mails of these days and correct the counters; with `check` nothing is written.

    Each day is one query, which sees mails and counters at the same instant. Corrections are added to the
    counters, so writers need not stop.
    """
    wrong = 0
    for day in chosen:
        moves = _wrong_by(using, day)
        wrong += sum(map(abs, moves.values()))
        if moves and not check:
            transactions.run(using, partial(_correct, using, moves))
        progress(1)
    return Recounted(len(chosen), wrong)


def _correct(using: str, moves: deltas.CountDeltas) -> None:
    with transactions.atomic(using):
        counts.count(using, deltas.to_rows(moves, datetime.now(UTC), shard=0))


def _wrong_by(using: str, day: date) -> deltas.CountDeltas:
    """Return what must be added to a day's counters."""
    begin, end = timezones.day_range(day)
    mails = Mail.objects.using(using).filter(created_at__gte=begin, created_at__lt=end)
    mails = mails.exclude(delivery_event_id=None, bounce_event_id=None)
    counted = MailCount._default_manager.using(using).filter(day=day)
    names = ("server_composition", "status", "bounce_class")
    there = grouped(mails, *names, sign=Value(1)).annotate(all=Count("pk"))
    stored = grouped(counted, *names, sign=Value(-1)).annotate(all=Sum("number"))
    columns = (*names, "sign", "all")
    moves = deltas.CountDeltas()
    for *cell, sign, number in there.values_list(*columns).union(stored.values_list(*columns), all=True):
        moves[deltas.CountKey(day, *cell)] += sign * number
    return deltas.CountDeltas({cell: number for cell, number in moves.items() if number})
