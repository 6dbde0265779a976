"""A time as people and programs write it in a query string -> one bound of a range of time."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from cmc_webhooks import keyset, rows

__all__ = ["MomentField", "bound"]

# The + of an offset, left as it is in a query string, arrives as a blank.
_ISO = re.compile(
    r"""(?P<day> \d{4}-\d\d-\d\d | \d{8} )
        (?: [T\ ] (?P<clock> \d\d (?: :?\d\d (?: :?\d\d (?: [.,]\d+ )? )? )? )
            (?: \ *(?P<utc>Z) | (?: \ *(?P<sign>[+\-\u2212]) | \ + ) (?P<offset> \d\d (?: :?\d\d )? ) )?
        )?""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)


class BadMoment(ValueError):
    """The text is no day and no time, or of a year that is out of bounds."""


def bound(text: str, *, end: bool) -> datetime:
    """The start of a range, or its `end`, which is not part of it; as the project stores times.

    A day alone is that whole local day, so the end is the next day's midnight. Without an offset, the active
    zone is meant.

    Raises:
        BadMoment
    """
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise BadMoment(text)
    try:
        moment = _moment(**match.groupdict(), end=end)
    except ValueError as error:
        raise BadMoment(text) from error
    aware = timezone.make_aware(moment) if timezone.is_naive(moment) else moment
    return rows.stored(aware)


def _moment(
    *, day: str, clock: str | None, utc: str | None, sign: str | None, offset: str | None, end: bool
) -> datetime:
    first = date.fromisoformat(day)
    if first.year not in keyset.YEARS:
        raise BadMoment(day)
    if clock is None:
        return datetime.combine(first + timedelta(days=end), time.min)
    sign = "+" if sign in (None, "+") else "-"  # and not the sign that ISO 8601 means by it, U+2212
    zone = f"{sign}{offset}" if offset else "Z" if utc else ""
    return datetime.fromisoformat(f"{day}T{clock}{zone}")


class MomentField(forms.Field):
    """A form field for a bound; `end` says which."""

    default_error_messages = {
        "invalid": (
            "Not a time: a day (2023-01-25) or a time in ISO 8601 (2023-01-25T14:03:06+09:00) is allowed, "
            f"in the years {keyset.YEARS.start} to {keyset.YEARS.stop - 1}."
        )
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
