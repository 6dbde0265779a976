"""Reads of the counts: how many mails stand where, how it goes with each domain. Days are the project's."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Max, Sum
from django.utils import timezone

from cmc_webhooks import latency
from cmc_webhooks.models import DomainCount, MailCount
from cmc_webhooks.querysets import exactly, grouped, one_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from django.db.models import Model, QuerySet

__all__ = [
    "OF_DOMAINS",
    "OUTCOMES",
    "Domain",
    "Overview",
    "Range",
    "by",
    "by_domain",
    "mails",
    "overview",
    "today",
]

OF_DOMAINS = ("day", "server_composition", "domain")
"""What the mails to a domain can be told apart by."""
OUTCOMES = ("mails", "succeeded", "failed", "bounced")
"""What is counted of the mails to a domain."""
LARGEST = 30
"""Domains whose latencies are looked at: those with most mails."""


class Range(NamedTuple):
    """Some days, both ends among them, and one composition; None stands for all."""

    first: date | None = None
    last: date | None = None
    server_composition: str | None = None


class Domain(NamedTuple):
    """The mails to one domain, and the seconds within which half and 95 % of them were delivered."""

    domain: str
    mails: int
    succeeded: int
    failed: int
    bounced: int
    median: float | None = None
    slow: float | None = None

    @property
    def refused(self) -> int:
        """Mails that failed or bounced."""
        return self.failed + self.bounced


@dataclass(slots=True)
class Overview:
    """What the counts tell of some days."""

    compositions: list[str] = field(default_factory=list)
    """All that have mails in these days, whatever composition was chosen."""
    by_day: dict[date, Counter[str]] = field(default_factory=dict)
    """The mails of each day by status."""
    by_outcome: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The mails by status and bounce class."""
    domains: list[Domain] = field(default_factory=list)
    """Recipient domains, most mails first; the first 30 with their latencies."""
    as_of: datetime | None = None
    """When the domains were complete; None before they were rolled up for the first time."""


def today() -> date:
    """The day that it is in the project's TIME_ZONE, which counts are kept by."""
    return datetime.now(timezone.get_default_timezone()).date()


def mails(using: str, chosen: Range, **columns: Any) -> int:
    """How many mails stand there; `columns` are further conditions on `MailCount`."""
    sums = _within(using, MailCount, chosen).filter(**columns).aggregate(all=Sum("number"))
    return sums["all"] or 0


def by(using: str, chosen: Range, columns: Sequence[str]) -> list[dict[str, Any]]:
    """The mails of some days by these columns of `MailCount`, sorted by them; one statement."""
    groups = grouped(_within(using, MailCount, chosen), *columns).annotate(mails=Sum("number"))
    names = (*columns, "mails")
    return [{name: group[name] for name in names} for group in groups.order_by(*columns) if group["mails"]]


def by_domain(using: str, chosen: Range, columns: Sequence[str] = ("domain",)) -> list[dict[str, Any]]:
    """The mails of some days by recipient domain, most mails first; one statement.

    With further columns of `OF_DOMAINS`, sorted by these first. Of each day and composition the 200 domains
    with most mails are told apart; "" is all others.
    """
    groups = grouped(_within(using, DomainCount, chosen), *columns)
    sums = groups.annotate(**{f"all_{outcome}": Sum(outcome) for outcome in OUTCOMES})
    told = [
        {**{column: row[column] for column in columns}, **{each: row[f"all_{each}"] for each in OUTCOMES}}
        for row in sums
    ]
    others = [column for column in columns if column != "domain"]
    told.sort(key=lambda row: (*(row[column] for column in others), -row["mails"], row["domain"]))
    return [row for row in told if row["mails"]]


def overview(using: str, chosen: Range) -> Overview:
    """All figures of some days; four statements."""
    found = Overview()
    units = ("day", "server_composition")
    groups = grouped(
        _within(using, MailCount, chosen._replace(server_composition=None)), *units, "status", "bounce_class"
    )
    changed: dict[tuple[date, str], datetime] = {}
    by_day: defaultdict[date, Counter[str]] = defaultdict(Counter)
    compositions = set()
    columns = (*units, "status", "bounce_class", "all", "at")
    sums = groups.annotate(all=Sum("number"), at=Max("changed_at")).values_list(*columns)
    for day, composition, status, kind, number, at in sums:
        compositions.add(composition)
        if chosen.server_composition in (None, composition):
            by_day[day][status] += number
            found.by_outcome[status, kind] += number
            changed[day, composition] = max(at, changed.get((day, composition), at))
    found.compositions, found.by_day = sorted(compositions), dict(sorted(by_day.items()))
    marks = _within(using, DomainCount, chosen).filter(domain="").values_list(*units, "rolled_up_at")
    found.as_of = _as_of(changed, {(day, composition): at for day, composition, at in marks})
    found.domains = _domains(_within(using, DomainCount, chosen).exclude(domain="").order_by())
    return found


def _as_of(
    changed: dict[tuple[date, str], datetime], rolled_up: dict[tuple[date, str], datetime]
) -> datetime | None:
    """When the oldest of those was rolled up that changed since; None if one never was."""
    if changed.keys() - rolled_up.keys():
        return None
    stale = [rolled_up[unit] for unit, at in changed.items() if at > rolled_up[unit]]
    return min(stale) if stale else max(rolled_up.values(), default=None)


def _domains(rows: QuerySet[Any]) -> list[Domain]:
    names = [f"all_{outcome}" for outcome in OUTCOMES]
    sums = grouped(rows, "domain").annotate(**{f"all_{outcome}": Sum(outcome) for outcome in OUTCOMES})
    told = [Domain(*each) for each in sums.values_list("domain", *names)]
    told.sort(key=lambda each: (-each.mails, each.domain))
    largest = [each.domain for each in told[:LARGEST]]
    classes = _classes(rows.filter(one_of(rows.db, "domain", largest)).values_list("domain", "latencies"))
    return [
        each._replace(
            median=latency.quantile(classes[each.domain], 0.5),
            slow=latency.quantile(classes[each.domain], 0.95),
        )
        for each in told
    ]


def _classes(rows: Iterable[tuple[str, list[int]]]) -> defaultdict[str, list[int]]:
    classes: defaultdict[str, list[int]] = defaultdict(list)
    for domain, latencies in rows:
        classes[domain] = latency.add(classes[domain], latencies)
    return classes


def _within(using: str, model: type[Model], chosen: Range) -> QuerySet[Any]:
    rows = model._default_manager.using(using)
    if chosen.first is not None:
        rows = rows.filter(day__gte=chosen.first)
    if chosen.last is not None:
        rows = rows.filter(day__lte=chosen.last)
    if chosen.server_composition is not None:
        rows = exactly(rows, "server_composition", chosen.server_composition)
    return rows
