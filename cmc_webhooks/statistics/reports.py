"""Read the daily counters: totals, overview, per-domain figures. Days are in the project's TIME_ZONE."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Max, Sum

from cmc_webhooks.db.text import exactly, grouped, one_of
from cmc_webhooks.models import DomainCount, MailCount
from cmc_webhooks.statistics import histogram
from cmc_webhooks.timezones import DateRange

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date

    from django.db.models import Model, QuerySet

__all__ = [
    "OF_DOMAINS",
    "OUTCOMES",
    "Domain",
    "DomainDay",
    "Overview",
    "Scope",
    "by_day",
    "by_domain",
    "compositions",
    "mails",
    "overview",
    "statuses",
    "totals_by",
]

OF_DOMAINS = ("day", "server_composition", "domain")
"""The columns by which mails to a domain can be grouped."""
OUTCOMES = ("mails", "succeeded", "failed", "bounced")
"""The counters of the mails to a domain."""
LARGEST = 30
"""Number of domains whose days and latencies are read: those with most mails."""


class Scope(NamedTuple):
    """Days, and one composition. None stands for all."""

    days: DateRange = DateRange()
    server_composition: str | None = None


class Domain(NamedTuple):
    """Mails to one domain, and the seconds within which half (`median`) and 95 % (`slow`) were delivered."""

    domain: str
    mails: int
    succeeded: int
    failed: int
    bounced: int
    median: float | None = None
    slow: float | None = None

    @property
    def refused(self) -> int:
        """Return the number of mails that failed or bounced."""
        return self.failed + self.bounced


class DomainDay(NamedTuple):
    """The mails to one domain on one day, and how many of them failed or bounced."""

    mails: int = 0
    refused: int = 0


@dataclass(slots=True)
class Overview:
    """The figures of some days."""

    compositions: list[str] = field(default_factory=list)
    """All compositions with mails in these days, whichever one was scope."""
    by_day: dict[date, Counter[str]] = field(default_factory=dict)
    """The mails of each day by status."""
    by_outcome: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The mails by status and bounce class."""
    domains: list[Domain] = field(default_factory=list)
    """Recipient domains, most mails first. The first 30 have latencies."""
    days_of: dict[str, dict[date, DomainDay]] = field(default_factory=dict)
    """The days of the first 30 domains, and of those that were asked for besides."""
    latencies: dict[date, list[int]] = field(default_factory=dict)
    """The histogram of each day: the first 30 domains, and all that have no row of their own."""
    as_of: datetime | None = None
    """Time at which the domain figures were last complete; None if a day was never rolled up."""


def compositions(using: str) -> list[str]:
    """Return all server compositions that have mails, sorted, from the counts of all days."""
    return _values(using, "server_composition")


def statuses(using: str) -> list[str]:
    """Return all statuses that mails have, sorted, from the counts of all days."""
    return _values(using, "status")


def _values(using: str, column: str) -> list[str]:
    groups = grouped(MailCount._default_manager.using(using), column).annotate(all=Sum("number"))
    return sorted(group[column] for group in groups if group["all"] > 0)


def mails(using: str, scope: Scope, **columns: Any) -> int:
    """Return the number of mails in a range; `columns` are further conditions on `MailCount`."""
    sums = _within(using, MailCount, scope).filter(**columns).aggregate(all=Sum("number"))
    return sums["all"] or 0


def totals_by(using: str, scope: Scope, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return the mails of a range, grouped and sorted by these columns of `MailCount`, in one query.

    Texts are sorted by their characters, whatever the collation of the database is.
    """
    groups = grouped(_within(using, MailCount, scope), *columns).annotate(mails=Sum("number"))
    names = (*columns, "mails")
    rows = [{name: group[name] for name in names} for group in groups if group["mails"]]
    return sorted(rows, key=lambda row: tuple(row[column] for column in columns))


def by_domain(using: str, scope: Scope, columns: Sequence[str] = ("domain",)) -> list[dict[str, Any]]:
    """Return the mails of a range by recipient domain, most mails first, in one query.

    With further columns of `OF_DOMAINS`, rows are sorted by these first. For each day and composition, only
    the 200 domains with most mails are listed by name; "" is the sum of all others.
    """
    groups = grouped(_within(using, DomainCount, scope), *columns)
    sums = groups.annotate(**{f"all_{outcome}": Sum(outcome) for outcome in OUTCOMES})
    rows = [
        {**{column: row[column] for column in columns}, **{each: row[f"all_{each}"] for each in OUTCOMES}}
        for row in sums
    ]
    others = [column for column in columns if column != "domain"]
    rows.sort(key=lambda row: (*(row[column] for column in others), -row["mails"], row["domain"]))
    return [row for row in rows if row["mails"]]


def by_day(using: str, scope: Scope) -> dict[date, Counter[str]]:
    """Return the mails of each day by status, in one query."""
    found: defaultdict[date, Counter[str]] = defaultdict(Counter)
    for row in totals_by(using, scope, ("day", "status")):
        found[row["day"]][row["status"]] += row["mails"]
    return found


def overview(using: str, scope: Scope, domains: Collection[str] = ()) -> Overview:
    """Return all figures of a range, in four queries. The days of these domains are read in any case."""
    found = Overview()
    units = ("day", "server_composition")
    groups = grouped(
        _within(using, MailCount, scope._replace(server_composition=None)), *units, "status", "bounce_class"
    )
    changed: dict[tuple[date, str], datetime] = {}
    by_day: defaultdict[date, Counter[str]] = defaultdict(Counter)
    compositions = set()
    columns = (*units, "status", "bounce_class", "all", "at")
    sums = groups.annotate(all=Sum("number"), at=Max("changed_at")).values_list(*columns)
    for day, composition, status, kind, number, at in sums:
        compositions.add(composition)
        if scope.server_composition in (None, composition):
            by_day[day][status] += number
            found.by_outcome[status, kind] += number
            changed[day, composition] = max(at, changed.get((day, composition), at))
    found.compositions, found.by_day = sorted(compositions), dict(sorted(by_day.items()))
    rolled_up = {}
    others = _within(using, DomainCount, scope).filter(domain="")
    for day, composition, at, latencies in others.values_list(*units, "rolled_up_at", "latencies"):
        rolled_up[day, composition] = at
        found.latencies[day] = histogram.add(found.latencies.get(day, ()), latencies)
    found.as_of = _as_of(changed, rolled_up)
    _add_domains(found, _within(using, DomainCount, scope).exclude(domain="").order_by(), domains)
    return found


def _as_of(
    changed: dict[tuple[date, str], datetime], rolled_up: dict[tuple[date, str], datetime]
) -> datetime | None:
    """Return the time of the oldest roll-up that is out of date; None if a day was never rolled up.

    If all are up to date, return the time of the latest one.
    """
    if changed.keys() - rolled_up.keys():
        return None
    stale = [rolled_up[unit] for unit, at in changed.items() if at > rolled_up[unit]]
    return min(stale) if stale else max(rolled_up.values(), default=None)


def _add_domains(found: Overview, rows: QuerySet[Any], asked: Collection[str]) -> None:
    """Add the sums of all domains, and the days and latencies of the largest."""
    names = [f"all_{outcome}" for outcome in OUTCOMES]
    sums = grouped(rows, "domain").annotate(**{f"all_{outcome}": Sum(outcome) for outcome in OUTCOMES})
    domains = [Domain(*each) for each in sums.values_list("domain", *names)]
    domains.sort(key=lambda each: (-each.mails, each.domain))
    largest = {each.domain for each in domains[:LARGEST]}
    classes: defaultdict[str, list[int]] = defaultdict(list)
    columns = ("domain", "day", "mails", "failed", "bounced", "latencies")
    known = rows.filter(one_of(rows.db, "domain", largest.union(asked))).values_list(*columns)
    for domain, day, mails, failed, bounced, latencies in known:
        before = found.days_of.setdefault(domain, {}).get(day, DomainDay())
        found.days_of[domain][day] = DomainDay(before.mails + mails, before.refused + failed + bounced)
        if domain in largest:
            classes[domain] = histogram.add(classes[domain], latencies)
            found.latencies[day] = histogram.add(found.latencies.get(day, ()), latencies)
    found.domains = [
        each._replace(
            median=histogram.quantile(classes[each.domain], 0.5),
            slow=histogram.quantile(classes[each.domain], 0.95),
        )
        for each in domains
    ]


def _within(using: str, model: type[Model], scope: Scope) -> QuerySet[Any]:
    rows = model._default_manager.using(using)
    if scope.days.first is not None:
        rows = rows.filter(day__gte=scope.days.first)
    if scope.days.last is not None:
        rows = rows.filter(day__lte=scope.days.last)
    if scope.server_composition is not None:
        rows = exactly(rows, "server_composition", scope.server_composition)
    return rows
