"""When refused mails are unusual: the rules of the rate alert. Pure.

Days of mail differ, by campaigns and by weekday. The number of refused mails of a usual day is therefore
taken to be beta-binomial, with the variance of the days before, and not binomial.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import exp, lgamma
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = [
    "DELIVERED",
    "HISTORY_DAYS",
    "WINDOW",
    "Cell",
    "Counts",
    "Finding",
    "Findings",
    "History",
    "Series",
    "Usual",
    "candidates",
    "findings",
    "is_unusual",
    "resolved",
    "usual",
]

WINDOW = timedelta(hours=24)
HISTORY_DAYS = 28
FEWEST_DAYS = 7
"""Days with mail that the history needs. With fewer, nothing is reported."""
FEWEST_MAILS = 20
LEAST_FACTOR = 2.0
LEAST_POINTS = 0.05
"""The smallest effect that is reported: twice the usual rate, and five points more."""
CHANCE = 0.0005
"""The chance that a usual window is reported, over all series together."""
DELIVERED = ""
"""The outcome of a mail that was not refused. The others are bounce classes and `failed`."""

_PRIOR_MAILS = 50
"""Weight of the rest's rate in the usual rate of a series, in mails."""
_LEAST_VARIATION = 0.75
"""Rates of days vary at least by this part of the usual rate, however alike the known days are.

Tried in `benchmarks.alerts`: 28 days say little about campaigns, which happen twice in them. A month had
0.04 false alerts; 0.5 had about 1.1, and 1.0 none.
"""
_LARGEST_SPREAD = 0.5
_MOST_MAILS = 5_000
"""Larger windows are scaled down to this number: there the days differ by far more than chance does."""
_NEGLIGIBLE = 1e-12


class Series(NamedTuple):
    """What is watched: a domain, a server composition, or a bounce class of a composition."""

    server_composition: str = ""
    bounce_class: str = ""
    domain: str = ""


class Counts(NamedTuple):
    """A number of mails that are no longer on the way, and how many of them were refused."""

    mails: int = 0
    refused: int = 0

    def plus(self, other: Counts) -> Counts:
        return Counts(self.mails + other.mails, self.refused + other.refused)

    def minus(self, other: Counts) -> Counts:
        return Counts(max(self.mails - other.mails, 0), max(self.refused - other.refused, 0))

    @property
    def rate(self) -> float:
        return self.refused / self.mails if self.mails else 0.0


class Cell(NamedTuple):
    """The mails of the window that are counted together. `outcome` is `DELIVERED` or why it was refused."""

    server_composition: str
    domain: str
    outcome: str


class Usual(NamedTuple):
    """The usual rate, and how much days differ: the intraclass correlation of the beta-binomial."""

    rate: float
    spread: float


class History(NamedTuple):
    """The days before the window: of the series, and the sum of all other series like it."""

    days: Sequence[Counts] = ()
    rest: Counts = Counts()


class Finding(NamedTuple):
    """A series whose window is unusual, with its numbers and the usual rate."""

    series: Series
    mails: int
    refused: int
    usual: float


@dataclass(slots=True)
class Findings:
    """All unusual series. `reported` are those that no other one explains."""

    unusual: dict[Series, Finding] = field(default_factory=dict)
    reported: list[Finding] = field(default_factory=list)


def usual(history: History) -> Usual:
    """Return the usual rate of a series and the spread of its days.

    A few mails say little, so that the rate of the rest counts as 50 mails of the series do. Without any day
    of its own, a series has the rate of the rest, and twice the least variation.
    """
    days = [day for day in history.days if day.mails]
    total = Counts(sum(day.mails for day in days), sum(day.refused for day in days))
    rest = history.rest.rate
    rate = (total.refused + _PRIOR_MAILS * rest + 0.5) / (total.mails + _PRIOR_MAILS + 1)
    variation = _LEAST_VARIATION if days else 2 * _LEAST_VARIATION
    least = variation**2 * rate / (1 - rate)
    return Usual(rate, min(max(_spread(days, total), least), _LARGEST_SPREAD))


def _spread(days: Sequence[Counts], total: Counts) -> float:
    """Return the intraclass correlation of the days, by the method of moments; 0 if it is unknown."""
    rate = total.rate
    if len(days) < 2 or not 0 < rate < 1:
        return 0.0
    squares = sum(day.mails * (day.rate - rate) ** 2 for day in days) / (rate * (1 - rate))
    between = total.mails - sum(day.mails**2 for day in days) / total.mails - (len(days) - 1)
    return max((squares - (len(days) - 1)) / between, 0.0) if between > 0 else 0.0


def is_unusual(window: Counts, known: Usual, series: int = 1) -> bool:
    """Return whether this number of refused mails is unusual, for one of a number of series.

    There must be at least 20 mails and an effect of at least twice the usual rate and five points. The chance
    of such a window on a usual day must be at most 0.0005, divided by the number of series.
    """
    if not _is_worth_a_look(window):
        return False
    if window.rate < max(LEAST_FACTOR * known.rate, known.rate + LEAST_POINTS):
        return False
    return _tail(window, known) <= CHANCE / max(series, 1)


def _is_worth_a_look(window: Counts) -> bool:
    return window.mails >= FEWEST_MAILS and window.rate >= LEAST_POINTS


def _tail(window: Counts, known: Usual) -> float:
    """Return the chance of at least this number of refused mails, by the beta-binomial distribution."""
    mails, refused = window
    if mails > _MOST_MAILS:
        mails, refused = _MOST_MAILS, refused * _MOST_MAILS // mails
    size = 1 / known.spread - 1
    a, b = known.rate * size, (1 - known.rate) * size
    ways = lgamma(mails + 1) - lgamma(refused + 1) - lgamma(mails - refused + 1)
    term = exp(ways + _log_beta(refused + a, mails - refused + b) - _log_beta(a, b))
    total = term
    for number in range(refused, mails):
        ratio = (mails - number) * (number + a) / ((number + 1) * (mails - number - 1 + b))
        term *= ratio
        total += term
        if ratio < 1 and term < total * _NEGLIGIBLE:
            break
    return min(total, 1.0)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


@dataclass(slots=True)
class _Sums:
    """The window by series, and for each domain by composition."""

    series: dict[Series, Counts]
    domains: dict[str, dict[str, Counts]]


def _sums(window: Mapping[Cell, int], without: Iterable[str] = ()) -> _Sums:
    """Return the sums of all series. Mails to the domains `without` do not count for compositions."""
    left_out = set(without)
    mails, refused = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    totals, by_class = Counter[str](), Counter[Series]()
    for (composition, domain, outcome), number in window.items():
        mails[composition, domain] += number
        if outcome != DELIVERED:
            refused[composition, domain] += number
        if domain not in left_out:
            totals[composition] += number
            if outcome != DELIVERED:
                by_class[Series(composition, outcome)] += number
                by_class[Series(composition)] += number
    domains: dict[str, dict[str, Counts]] = {}
    for (composition, domain), number in mails.items():
        if domain:
            domains.setdefault(domain, {})[composition] = Counts(number, refused[composition, domain])
    series = {one: Counts(totals[one.server_composition], number) for one, number in by_class.items()}
    for composition, number in totals.items():
        series.setdefault(Series(composition), Counts(number))
    for domain, parts in domains.items():
        series[Series(domain=domain)] = Counts(*map(sum, zip(*parts.values(), strict=True)))
    return _Sums(series, domains)


def candidates(window: Mapping[Cell, int]) -> list[Series]:
    """Return the series that may be unusual, so that their history is needed. Usually there are few.

    `window` are the numbers of mails of the last 24 hours that are no longer on the way.
    """
    found = {series for series, counts in _sums(window).series.items() if _is_worth_a_look(counts)}
    # without its unusual domains a composition may have a lower rate, but also fewer mails
    return sorted(found | {series for series in _sums(window).series if not series.domain})


def findings(window: Mapping[Cell, int], history: Callable[[Series], History], days: int) -> Findings:
    """Return the unusual series of a window. `days` is the number of days before it that had mail.

    One cause is reported once. A composition and its bounce classes are looked at without the mails to
    unusual domains. If that composition is unusual nevertheless, its domains are not reported. Of a
    composition that is unusual as a whole, no bounce class is reported.
    """
    found = Findings()
    if days < FEWEST_DAYS:
        return found
    sums = _sums(window)
    tested = sum(counts.mails >= FEWEST_MAILS for counts in sums.series.values())

    def look(series: Series, counts: Counts) -> Finding | None:
        if not _is_worth_a_look(counts):
            return None
        known = usual(history(series))
        if not is_unusual(counts, known, tested):
            return None
        return Finding(series, counts.mails, counts.refused, known.rate)

    domains = [
        one for name in sums.domains if (one := look(Series(domain=name), sums.series[Series(domain=name)]))
    ]
    named = [one.series.domain for one in domains]
    rest = _sums(window, named).series if domains else sums.series
    compositions = [*_compositions(sums, rest, named, look)]
    whole = {one.series.server_composition for one in compositions}
    classes = [
        one
        for series, counts in rest.items()
        if series.bounce_class and series.server_composition not in whole and (one := look(series, counts))
    ]
    found.unusual = {one.series: one for one in (*domains, *compositions, *classes)}
    explained = [one for one in domains if _is_explained(sums.domains[one.series.domain], whole)]
    found.reported = [one for one in found.unusual.values() if one not in explained]
    return found


def _compositions(
    sums: _Sums,
    rest: Mapping[Series, Counts],
    named: Sequence[str],
    look: Callable[[Series, Counts], Finding | None],
) -> Iterator[Finding]:
    """Yield the compositions that are unusual without the mails to unusual domains.

    If almost all mails are to several unusual domains, the composition is looked at as a whole.
    """
    for series, counts in sums.series.items():
        if series.domain or series.bounce_class:
            continue
        remaining = rest.get(series, Counts())
        to_named = [name for name in named if series.server_composition in sums.domains[name]]
        is_rest_too_small = remaining.mails < FEWEST_MAILS and len(to_named) > 1
        if is_rest_too_small or look(series, remaining):
            whole = look(series, counts)
            if whole is not None:
                yield whole


def _is_explained(parts: Mapping[str, Counts], compositions: set[str]) -> bool:
    """Return whether most refused mails to a domain are of compositions that are unusual themselves."""
    refused = sum(counts.refused for counts in parts.values())
    return 2 * sum(counts.refused for name, counts in parts.items() if name in compositions) > refused


def resolved(last_seen: datetime, now: datetime) -> bool:
    """Return whether a whole window was below the limit, for a series that is below it now.

    A time in the future is that of a clock that was wrong, and keeps no alarm open.
    """
    return not timedelta() <= now - last_seen < WINDOW
