"""Read what the rate alert compares: the mails of the last 24 hours, and the counts of the days before.

A look takes three statements, however many series there are. Only the mails of the window are read one by
one, by their index; the days before are the counts that ingest and maintenance keep.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Count, F, Q, Sum
from django.utils import timezone

from cmc_webhooks import timezones, wire
from cmc_webhooks.alerts import rates
from cmc_webhooks.alerts.rates import Cell, Counts, History, Series
from cmc_webhooks.db.text import exactly, grouped, one_of
from cmc_webhooks.models import DomainCount, Mail, MailCount
from cmc_webhooks.status import BOUNCED, DeliveryStatus
from cmc_webhooks.wire.text import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import date, datetime

__all__ = ["Past", "answer", "commonest", "past", "window"]

FINAL = (DeliveryStatus.SUCCEEDED.value, DeliveryStatus.FAILED.value, BOUNCED)
"""Statuses of mails that are no longer on the way."""
_READ_ANSWERS = 500
_LONGEST_ANSWER = 300
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"']+@[^\s<>()\[\],;:\"']+")
_NUMBER = re.compile(r"\b[0-9A-F]*\d[0-9A-Za-z-]{7,}\b")


def window(using: str, now: datetime) -> dict[Cell, int]:
    """Return the mails of the 24 hours before `now` (aware) that are not on the way any more.

    They are counted by the receipt of their first event, in one query over its index.
    """
    groups = grouped(_of_window(using, now), "server_composition", "domain", "status", "bounce_class")
    found = Counter[Cell]()
    for group in groups.annotate(number=Count("pk")):
        outcome = _outcome(group["status"], group["bounce_class"])
        found[Cell(group["server_composition"], group["domain"], outcome)] += group["number"]
    return dict(found)


def _of_window(using: str, now: datetime) -> Any:
    begin, end = (timezones.to_stored(moment) for moment in (now - rates.WINDOW, now))
    return Mail.objects.using(using).filter(created_at__gt=begin, created_at__lte=end, status__in=FINAL)


def _outcome(status: str, bounce_class: str) -> str:
    return rates.DELIVERED if status == DeliveryStatus.SUCCEEDED else bounce_class or status


class Past:
    """The days before the window, by series."""

    def __init__(self, days: Sequence[date], excluded: Mapping[Series, Collection[date]]) -> None:
        self.days, self.excluded = days, excluded
        self.classes: defaultdict[date, Counter[tuple[str, str]]] = defaultdict(Counter)
        self.domains: defaultdict[str, dict[date, Counts]] = defaultdict(dict)

    @property
    def days_with_mail(self) -> int:
        return sum(self.classes[day].total() > 0 for day in self.days)

    def history(self, series: Series) -> History:
        """Return the days of a series, without those on which an alert about it was open."""
        excluded = self.excluded.get(series, ())
        usual = [day for day in self.days if day not in excluded]
        own = [self._of_day(series, day) for day in usual]
        everything = self._everything(series)
        for counts in (self._of_day(series, day) for day in self.days):
            everything = everything.minus(counts)
        return History(own, everything)

    def _of_day(self, series: Series, day: date) -> Counts:
        if series.domain:
            return self.domains[series.domain].get(day, Counts())
        return _counted(
            {
                outcome: number
                for (composition, outcome), number in self.classes[day].items()
                if composition == series.server_composition
            },
            series.bounce_class,
        )

    def _everything(self, series: Series) -> Counts:
        sums = Counter[str]()
        for day in self.days:
            for (_, outcome), number in self.classes[day].items():
                sums[outcome] += number
        return _counted(sums, series.bounce_class)


def _counted(outcomes: Mapping[str, int], bounce_class: str) -> Counts:
    mails = sum(outcomes.values())
    refused = outcomes.get(bounce_class, 0) if bounce_class else mails - outcomes.get(rates.DELIVERED, 0)
    return Counts(max(mails, 0), max(min(refused, mails), 0))


def past(
    using: str, now: datetime, wanted: Sequence[Series], excluded: Mapping[Series, Collection[date]]
) -> Past:
    """Return the 28 days before the day on which the window begins, for these series, in two queries."""
    last = (now - rates.WINDOW).astimezone(timezone.get_default_timezone()).date() - timedelta(days=1)
    days = [last - timedelta(days=number) for number in reversed(range(rates.HISTORY_DAYS))]
    found = Past(days, excluded)
    is_past = Q(day__gte=days[0], day__lte=days[-1])
    rows = MailCount._default_manager.using(using).filter(is_past, status__in=FINAL)
    for group in grouped(rows, "day", "server_composition", "status", "bounce_class").annotate(
        all=Sum("number")
    ):
        outcome = _outcome(group["status"], group["bounce_class"])
        found.classes[group["day"]][group["server_composition"], outcome] += group["all"]
    if names := {series.domain for series in wanted if series.domain}:
        known = DomainCount._default_manager.using(using).filter(is_past, one_of(using, "domain", names))
        sums = grouped(known, "day", "domain").annotate(
            final=Sum(F("succeeded") + F("failed") + F("bounced")), refused=Sum(F("failed") + F("bounced"))
        )
        for group in sums:
            found.domains[group["domain"]][group["day"]] = Counts(group["final"], group["refused"])
    return found


def answer(using: str, now: datetime, series: Series) -> str:
    """Return the commonest answer of the servers to refused mails of a series, in one query.

    At most 500 mails are read. Addresses and long numbers are left out, so that the answer names nobody.
    """
    refused = _of_window(using, now).exclude(status=DeliveryStatus.SUCCEEDED).exclude(reason="")
    if series.domain:
        refused = exactly(refused, "domain", series.domain)
    else:
        refused = exactly(refused, "server_composition", series.server_composition)
    if series.bounce_class == DeliveryStatus.FAILED:
        refused = refused.filter(status=DeliveryStatus.FAILED)
    elif series.bounce_class:
        refused = refused.filter(bounce_class=series.bounce_class)
    texts = refused.order_by("-created_at").values_list("reason", flat=True)[:_READ_ANSWERS]
    return commonest(texts)


def commonest(replies: Iterable[str]) -> str:
    """Return the commonest of these replies, without addresses and long numbers; "" if there is none."""
    common = Counter(filter(None, map(_anonymous, replies))).most_common(1)
    return common[0][0] if common else ""


def _anonymous(reason: str) -> str:
    text = _NUMBER.sub("...", _ADDRESS.sub("...", reason[: 4 * _LONGEST_ANSWER]))
    return one_line(wire.clean(text)).strip()[:_LONGEST_ANSWER]
