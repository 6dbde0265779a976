"""The selected days, the days before them, and the slots (hours, days or weeks) that pictures consist of."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.translation import ngettext, pgettext

from cmc_webhooks import timezones, wire
from cmc_webhooks.admin import filters
from cmc_webhooks.statistics import reports
from cmc_webhooks.timezones import DateRange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django_stubs_ext import StrOrPromise

__all__ = [
    "DEFAULT",
    "MOST_DAYS",
    "Slot",
    "before",
    "chosen_scope",
    "days_of",
    "hours",
    "name_of_before",
    "presets",
    "slots",
    "sums",
]

DEFAULT = "7-days"
MOST_DAYS = 366
_MOST_BARS = 90
"""More days are shown as weeks."""
EACH_NAMED = 8
"""Up to this number, each slot has a label and a number, on a phone as well."""
_MONDAYS_NAMED = 45
_MONTHS_NAMED = 190
_HOURS_BETWEEN_LABELS = 3


class Slot(NamedTuple):
    """An hour, a day or a week: its name, its days, and the lines of its label on the axis, if it has one."""

    name: str
    days: DateRange
    label: tuple[str, ...] = ()


def chosen_scope(parameters: Mapping[str, str]) -> reports.Scope:
    """Return the days that the URL names, by default the past 7, at most a year (366 days)."""
    if not any(parameters.get(name) for name in ("since", "from", "to")):
        parameters = {**parameters, "since": DEFAULT}
    days = filters.FirstReceivedFilter.days_meant(parameters)
    last = days.last or timezones.today()
    earliest = last - timedelta(days=MOST_DAYS - 1)
    composition = parameters.get("server_composition") or None
    return reports.Scope(
        DateRange(max(days.first or earliest, earliest), last),
        None if composition is None else wire.clean(composition),
    )


def presets(parameters: Mapping[str, str]) -> list[tuple[str, StrOrPromise, bool]]:
    """Return the presets: URL, name, and True for the selected one."""
    composition = parameters.get("server_composition")
    of = {"server_composition": composition} if composition else {}
    is_range = bool(parameters.get("from") or parameters.get("to"))
    chosen = "" if is_range else parameters.get("since") or DEFAULT
    return [
        (f"?{urlencode({'since': name} | of)}", label, name == chosen)
        for name, (label, _ago) in filters.PeriodFilter.periods.items()
    ]


def days_of(chosen: DateRange) -> list[date]:
    """Return all days of a range that has both ends; none if it is reversed."""
    if chosen.first is None or chosen.last is None:
        return []
    return [chosen.first + timedelta(days=n) for n in range((chosen.last - chosen.first).days + 1)]


def before(days: DateRange) -> DateRange:
    """Return the period of the same length before a range that has both ends."""
    number = timedelta(days=len(days_of(days)))
    return DateRange(*(day and day - number for day in days))


def name_of_before(days: DateRange) -> str:
    """Return the name of the period before: `the 7 days before`."""
    number = len(days_of(days))
    return ngettext("the day before", "the %(days)d days before", number) % {"days": number}


def slots(days: DateRange) -> list[Slot]:
    """Return the days of a range, or its weeks from Monday on if there are more than 90 days."""
    all_days = days_of(days)
    if len(all_days) > _MOST_BARS:
        return _weeks(all_days)
    return [
        Slot(format_date(day, "Y-m-d (D)"), DateRange(day, day), _label(day, len(all_days)))
        for day in all_days
    ]


def hours(day: date) -> tuple[list[Slot], list[datetime]]:
    """Return the hours of a day of the project's TIME_ZONE, and the stored times at which they begin and end.

    A day on which the clock is changed has 23 or 25.
    """
    zone = timezone.get_default_timezone()
    begin, end = (timezones.to_aware(moment).astimezone(UTC) for moment in timezones.day_range(day))
    edges = [begin]
    while edges[-1] < end:
        edges.append(min(edges[-1] + timedelta(hours=1), end))
    found = []
    for edge in edges[:-1]:
        text = f"{edge.astimezone(zone):%H:%M}"
        is_named = edge.astimezone(zone).hour % _HOURS_BETWEEN_LABELS == 0
        found.append(Slot(f"{day.isoformat()} {text}", DateRange(day, day), (text,) if is_named else ()))
    return found, [timezones.to_stored(edge) for edge in edges]


def sums(
    by_day: Mapping[date, Counter[str]], chosen: Sequence[Slot], *, days_ago: int = 0
) -> list[Counter[str]]:
    """Return the mails of each slot by status, or those of earlier days."""
    found = []
    for slot in chosen:
        total = Counter[str]()
        for day in days_of(slot.days):
            total.update(by_day.get(day - timedelta(days=days_ago), {}))
        found.append(total)
    return found


def _label(day: date, number: int) -> tuple[str, ...]:
    is_named = number <= EACH_NAMED or (
        day.weekday() == 0 and (number <= _MONDAYS_NAMED or day.toordinal() // 7 % 2 == 0)
    )
    # Translators: a day on the axis of a chart, in the letters of Django's date filter
    return (format_date(day, "D"), format_date(day, pgettext("date format", "M j"))) if is_named else ()


def _weeks(all_days: Sequence[date]) -> list[Slot]:
    weeks: list[Slot] = []
    month, is_short = 0, len(all_days) <= _MONTHS_NAMED
    for day in all_days:
        if weeks and day.weekday():
            week = weeks[-1]
            weeks[-1] = week._replace(name=f"{week.days.first} – {day}", days=DateRange(week.days.first, day))
        else:
            label: tuple[str, ...] = ()
            if weeks and day.month != month and (is_short or day.month % 2):
                label = (format_date(day, "M"), *([str(day.year)] if day.month == 1 else []))
            month = day.month
            weeks.append(Slot(f"{day} – {day}", DateRange(day, day), label))
    return weeks
