"""Parsing of dates and times in query strings into bounds of a time range."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from cmc_webhooks import timezones

__all__ = ["MomentField", "bound"]

# An unescaped + of an offset arrives as a space in a query string.
_ISO = re.compile(
    r"""(?P<day> \d{4}-\d\d-\d\d | \d{8} )
        (?: [T\ ] (?P<clock> \d\d (?: :?\d\d (?: :?\d\d (?: [.,]\d+ )? )? )? )
            (?: \ *(?P<utc>Z) | (?: \ *(?P<sign>[+\-\u2212]) | \ + ) (?P<offset> \d\d (?: :?\d\d )? ) )?
        )?""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)


class BadMoment(ValueError):
    """The text is not a valid date or time."""


def bound(text: str, *, end: bool) -> datetime:
    """Return the start of a range, or with `end` its exclusive end, as the project stores times.

    A date alone is that whole local day, so its end is the next day's midnight. Without an offset, the text
    is in the active zone. A time outside of what can be stored becomes the first or the last time of the
    calendar, so that it bounds every row or none.

    Raises:
        BadMoment: the text is not a valid date or time.
    """
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise BadMoment(text)
    try:
        moment = _moment(**match.groupdict(), end=end)
    except ValueError as error:
        raise BadMoment(text) from error
    aware = timezone.make_aware(moment) if timezone.is_naive(moment) else moment
    return timezones.to_stored(timezones.within_calendar(aware))


def _moment(
    *, day: str, clock: str | None, utc: str | None, sign: str | None, offset: str | None, end: bool
) -> datetime:
    first = date.fromisoformat(day)
    if clock is None:
        day_of_bound = first + timedelta(days=end and first < date.max)
        return datetime.combine(day_of_bound, time.min)
    sign = "+" if sign in (None, "+") else "-"  # fromisoformat() rejects U+2212, the minus sign of ISO 8601
    zone = f"{sign}{offset}" if offset else "Z" if utc else ""
    return datetime.fromisoformat(f"{day}T{clock}{zone}")


class MomentField(forms.Field):
    """A form field for a bound of a range: its end if `end` is true, else its start."""

    default_error_messages = {
        "invalid": ("Enter a date (2023-01-25) or an ISO 8601 time (2023-01-25T14:03:06+09:00).")
    }

    def __init__(self, *, end: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.end = end

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        try:
            return bound(value, end=self.end)
        except BadMoment as error:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from error
