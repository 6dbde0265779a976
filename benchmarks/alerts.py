"""False alarms a month of the rate alarm: `python -m benchmarks.alerts [--months 1000] [--seed 1]`.

Simulated months without any fault: 20 domains, 3 compositions, one look an hour. The rates of each domain in
each composition vary from day to day by 50 %, and by weekday. Each composition sends two campaigns a month on
average: ten times the mails of a day, within five hours, to older addresses with twice the rate. No database
is needed. `--plain` uses a plain binomial with the same effect and number of mails, to compare.
"""

from __future__ import annotations

import argparse
import os
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from math import exp, log
from typing import NamedTuple

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
django.setup()

from cmc_webhooks.alerts import rates
from cmc_webhooks.alerts.rates import Cell, Counts, History, Series

HOURS = 24
MONTH = 30
START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
COMPOSITIONS = {"pro": 2000.0, "news": 600.0, "small": 120.0}
"""Mails a day, on average."""
DOMAINS = 20
CLASSES = {"hard": 0.5, "soft": 0.25, "policy": 0.1, "failed": 0.15}
VOLUME_OF_WEEKDAY = (1.1, 1.2, 1.1, 1.1, 1.0, 0.4, 0.3)
RATE_OF_WEEKDAY = (1.3, 1.0, 1.0, 0.9, 0.9, 1.2, 0.8)
VOLUME_OF_HOUR = [0.2] * 7 + [1.0] * 13 + [0.5] * 4
CAMPAIGNS_A_MONTH = 2
VARIATION = 0.5
_SIGMA = (log(1 + VARIATION**2) / 2) ** 0.5
"""Two factors, of the domain and of the composition, vary by 50 % together."""


class Fault(NamedTuple):
    """A domain that refuses a share of its mails from one hour to another."""

    domain: str
    first: int
    last: int
    share: float


class Alarm(NamedTuple):
    series: Series
    raised: int
    resolved: int | None
    finding: rates.Finding


def _varied(rng: random.Random) -> float:
    """Return a factor with mean 1 that varies by 50 %."""
    return exp(rng.gauss(-(_SIGMA**2) / 2, _SIGMA))


def hours(rng: random.Random, days: int, faults: Sequence[Fault] = ()) -> Iterator[Counter[Cell]]:
    """Yield the mails of each hour."""
    shares = [1 / (place + 1) for place in range(DOMAINS)]
    base = {f"d{place}.example": min(0.02 * exp(rng.gauss(0, 0.7)), 0.2) for place in range(DOMAINS)}
    named = dict(zip(base, [share / sum(shares) for share in shares], strict=True))
    whole_day = sum(VOLUME_OF_HOUR)
    for day in range(days):
        weekday = day % 7
        of_domain = {domain: _varied(rng) for domain in base}
        of_composition = {composition: _varied(rng) for composition in COMPOSITIONS}
        campaigns = {each for each in COMPOSITIONS if rng.random() < CAMPAIGNS_A_MONTH / MONTH}
        for hour in range(HOURS):
            cells: Counter[Cell] = Counter()
            for composition, volume in COMPOSITIONS.items():
                mails = volume * VOLUME_OF_WEEKDAY[weekday] * VOLUME_OF_HOUR[hour] / whole_day
                rate = of_composition[composition] * RATE_OF_WEEKDAY[weekday]
                if composition in campaigns and 10 <= hour < 15:
                    mails, rate = mails + volume * 2, rate * 2
                for domain, share in named.items():
                    number = _poisson(rng, mails * share)
                    if not number:
                        continue
                    chance = min(base[domain] * rate * of_domain[domain], 0.9)
                    for fault in faults:
                        if fault.domain == domain and fault.first <= day * HOURS + hour < fault.last:
                            chance = fault.share
                    refused = _binomial(rng, number, chance)
                    cells[Cell(composition, domain, rates.DELIVERED)] += number - refused
                    for outcome in rng.choices([*CLASSES], [*CLASSES.values()], k=refused) if refused else ():
                        cells[Cell(composition, domain, outcome)] += 1
            yield cells


def _poisson(rng: random.Random, mean: float) -> int:
    if mean > 30:
        return max(round(rng.gauss(mean, mean**0.5)), 0)
    limit, number, product = exp(-mean), 0, rng.random()
    while product > limit:
        number += 1
        product *= rng.random()
    return number


def _binomial(rng: random.Random, number: int, chance: float) -> int:
    """Return how many of a number of mails are refused, by the gaps between refused ones."""
    if chance > 0.5:
        return number - _binomial(rng, number, 1 - chance)
    found, place, scale = 0, 0, log(1 - chance)
    while True:
        place += int(log(1 - rng.random()) / scale) + 1
        if place > number:
            return found
        found += 1


class Watch:
    """Looks once an hour as the app does: the window, the days before, open alarms.

    A look that cannot find anything is left out: no series is at twice its usual rate, and none is open.
    """

    def __init__(self):
        self.hours: deque[Counter[Cell]] = deque(maxlen=HOURS)
        self.sums: dict[Series, list[int]] = {}
        self.days: deque[dict[Series, Counts]] = deque(maxlen=rates.HISTORY_DAYS + 2)
        self.open: dict[Series, tuple[int, int, rates.Finding]] = {}
        self.alarms: list[Alarm] = []
        self.excluded: dict[Series, set[int]] = {}
        self.known: dict[Series, History] = {}
        self.usual: dict[Series, float] = {}
        self.hour = 0

    @property
    def window(self) -> Counter[Cell]:
        total: Counter[Cell] = Counter()
        for cells in self.hours:
            total.update(cells)
        return total

    def add(self, cells: Counter[Cell]) -> None:
        if len(self.hours) == HOURS:
            self._count(self.hours[0], -1)
        self.hours.append(cells)
        self._count(cells, 1)
        self.hour += 1
        if self.hour % HOURS == 0:
            self.days.append(rates._sums(self.window).series)
            self.known.clear()
            self.usual.clear()

    def _count(self, cells: Counter[Cell], sign: int) -> None:
        sums = self.sums
        for (composition, domain, outcome), number in cells.items():
            for series in (("", "", domain), (composition, "", "")):
                if series not in sums:
                    sums[Series(*series)] = [0, 0]
                sums[series][0] += sign * number
                if outcome:
                    sums[series][1] += sign * number
            if outcome:
                series = (composition, outcome, "")
                if series not in sums:
                    sums[Series(*series)] = [0, 0]
                sums[series][1] += sign * number

    def may_find(self) -> bool:
        """Return whether a series is at twice its usual rate, or an alarm is open."""
        if self.open:
            return True
        for series, (mails, refused) in self.sums.items():
            if series.bounce_class:
                mails = self.sums[series.server_composition, "", ""][0]
            if mails < rates.FEWEST_MAILS or refused < rates.LEAST_POINTS * mails:
                continue
            if series not in self.usual:
                self.usual[series] = rates.usual(self.history(series)).rate
            if refused >= rates.LEAST_FACTOR * self.usual[series] * mails:
                return True
        return False

    def history(self, series: Series) -> History:
        if series not in self.known:
            days = [*self.days][:-1][-rates.HISTORY_DAYS :]  # the window began on the last whole day
            last = self.hour // HOURS - 1
            excluded = self.excluded.get(series, set()) | self._days_open(series)
            own, rest = [], Counts()
            for number, day in zip(range(last - len(days), last), days, strict=True):
                mails = day.get(Series(series.server_composition), Counts()).mails
                if number not in excluded:
                    own.append(day.get(series, Counts() if series.domain else Counts(mails)))
                for other, counts in day.items():
                    is_alike = (bool(other.domain), other.bounce_class) == (
                        bool(series.domain),
                        series.bounce_class,
                    )
                    if is_alike and other != series:
                        rest = rest.plus(counts)
            self.known[series] = History(own, rest)
        return self.known[series]

    def _days_open(self, series: Series) -> set[int]:
        """Return the days on which an alarm was open, or in its first window."""
        if series not in self.open:
            return set()
        return set(range((self.open[series][0] - HOURS) // HOURS, self.hour // HOURS + 1))

    def look(self) -> None:
        if not self.may_find():
            return
        found = rates.findings(self.window, self.history, len(self.days))
        for series, (raised, seen, finding) in [*self.open.items()]:
            if series in found.unusual:
                self.open[series] = (raised, self.hour, finding)
            elif rates.resolved(START + timedelta(hours=seen), START + timedelta(hours=self.hour)):
                self.alarms.append(Alarm(series, raised, self.hour, finding))
                self.excluded.setdefault(series, set()).update(self._days_open(series))
                self.known.pop(series, None)
                self.usual.pop(series, None)
                del self.open[series]
        for finding in found.reported:
            if finding.series not in self.open:
                self.open[finding.series] = (self.hour, self.hour, finding)
                self.known.pop(finding.series, None)

    def all(self) -> list[Alarm]:
        still = [Alarm(series, raised, None, finding) for series, (raised, _, finding) in self.open.items()]
        return [*self.alarms, *still]


def simulate(
    seed: int,
    months: int,
    faults: Sequence[Fault] = (),
    on_look: Callable[[Watch], object] = lambda watch: None,
) -> list[Alarm]:
    """Return the alarms of some months in a row, after the days that make the first history."""
    rng = random.Random(seed)
    watch = Watch()
    warm_up = (rates.HISTORY_DAYS + 2) * HOURS
    for number, cells in enumerate(hours(rng, rates.HISTORY_DAYS + 2 + months * MONTH, faults)):
        watch.add(cells)
        if number >= warm_up:
            watch.look()
            on_look(watch)
    return watch.all()


def _plain(window: Counts, known: rates.Usual, series: int = 1) -> bool:
    if window.mails < rates.FEWEST_MAILS or window.rate < max(2 * known.rate, known.rate + 0.05):
        return False
    return rates._tail(window, rates.Usual(known.rate, 1e-9)) <= rates.CHANCE / max(series, 1)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--months", type=int, default=1000)
    parser.add_argument("--each", type=int, default=20, help="months in a row with the same domains")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plain", action="store_true")
    options = parser.parse_args()
    if options.plain:
        rates.is_unusual = _plain
    done, found = 0, Counter[str]()
    while done < options.months:
        some = min(options.each, options.months - done)
        for alarm in simulate(options.seed * 100_003 + done, some):
            kind = (
                "domain" if alarm.series.domain else "class" if alarm.series.bounce_class else "composition"
            )
            found[kind] += 1
        done += some
        print(
            f"{done} months: {found.total()} alarms, {found.total() / done:.3f} a month, {dict(found)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
