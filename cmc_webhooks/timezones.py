"""Conversions between the times stored in the database, aware times and days of the project's TIME_ZONE.

A *stored* time is what a `DateTimeField` of this project holds: aware in UTC, or naive in TIME_ZONE where
USE_TZ is off.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from typing import NamedTuple

from django.conf import settings
from django.utils import timezone

__all__ = [
    "EARLIEST",
    "FIRST_DAY",
    "LAST_DAY",
    "LATEST",
    "DateRange",
    "bound_to_stored",
    "day_range",
    "day_within_calendar",
    "format_local",
    "local_now",
    "to_aware",
    "to_local",
    "to_stored",
    "today",
    "utc_wall_clock",
    "within_calendar",
]

EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
"""Times before and after all that can be stored. Every zone and every database can represent them."""
FIRST_DAY, LAST_DAY = date(1900, 1, 2), date(9999, 12, 30)
"""Days whose beginning and end are between these times, in every zone."""


def to_stored(moment: datetime) -> datetime:
    """Return an aware time as the project stores it."""
    if settings.USE_TZ:
        return moment.astimezone(UTC)
    return timezone.make_naive(moment, timezone.get_default_timezone())


def bound_to_stored(moment: datetime | None) -> datetime | None:
    """Return a bound of a range, aware or stored, as a stored time within the calendar; None stays None.

    A bound outside of what can be stored becomes one that has every row behind it, or none.
    """
    if moment is None or (timezone.is_naive(moment) and settings.USE_TZ):
        return moment
    if timezone.is_naive(moment):
        return min(max(moment, to_stored(EARLIEST)), to_stored(LATEST))
    return to_stored(within_calendar(moment))


def within_calendar(moment: datetime) -> datetime:
    """Return an aware time, moved to `EARLIEST` or `LATEST` if it is outside of them."""
    return min(max(moment, EARLIEST), LATEST)


def day_within_calendar(day: date) -> date:
    """Return a day, moved to the first or the last one whose bounds every database can compare."""
    return min(max(day, FIRST_DAY), LAST_DAY)


def to_aware(moment: datetime) -> datetime:
    """Return a stored time as an aware one. In a repeated hour, a naive time means the first occurrence."""
    if not timezone.is_naive(moment):
        return moment
    # databases do not store `fold`, and PostgreSQL's driver invents one
    return timezone.make_aware(moment.replace(fold=0), timezone.get_default_timezone())


def to_local(moment: datetime) -> datetime:
    """Return a stored time in the active zone. A naive one is returned unchanged."""
    return timezone.localtime(moment) if timezone.is_aware(moment) else moment


def format_local(moment: datetime) -> str:
    """Return a stored time in the active zone as text: `2023-01-25 14:03:06`."""
    return f"{to_local(moment):%Y-%m-%d %H:%M:%S}"


def utc_wall_clock(moment: datetime, shift: timedelta) -> datetime:
    """Return a stored time as UTC's wall clock: naive, moved by `shift`, clamped to the calendar."""
    zone = timezone.get_default_timezone()
    aware = timezone.make_aware(moment, zone) if timezone.is_naive(moment) else moment
    try:
        return aware.astimezone(UTC).replace(tzinfo=None) + shift
    except OverflowError:
        return datetime.max if shift > timedelta() else datetime.min  # noqa: DTZ901 - compared with wall clocks


class DateRange(NamedTuple):
    """Days of the project's TIME_ZONE, both ends included. None means no bound."""

    first: date | None = None
    last: date | None = None

    def are_at_most(self, number: int) -> bool:
        """Return True if `first` is given and `last`, by default today, is less than `number` days later."""
        if self.first is None:
            return False
        last = self.last or today()
        return (last - self.first).days < number

    @property
    def is_reversed(self) -> bool:
        """Return True if the first day is after the last one, so that there are none."""
        return self.first is not None and self.last is not None and self.first > self.last

    def bounds(self) -> tuple[datetime | None, datetime | None]:
        """Return the stored times at which the days begin and end; None for no bound."""
        begin = day_range(self.first)[0] if self.first else None
        return begin, day_range(self.last)[1] if self.last else None


def local_now() -> datetime:
    """Return the current time in the project's TIME_ZONE, aware."""
    return datetime.now(timezone.get_default_timezone())


def today() -> date:
    """Return the current day in the project's TIME_ZONE. The daily counters use it."""
    return local_now().date()


def day_range(day: date) -> tuple[datetime, datetime]:
    """Return the stored times at which a day of the project's TIME_ZONE begins and ends."""
    zone = timezone.get_default_timezone()
    begin, end = (datetime.combine(each, clock_time.min, zone) for each in (day, day + timedelta(days=1)))
    return to_stored(begin), to_stored(end)
