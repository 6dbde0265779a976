"""What the commands share: their filters, and a progress bar for people."""

from __future__ import annotations

import argparse
import sys
from contextlib import contextmanager
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, TypeVar

from django.utils.dateparse import parse_date, parse_datetime

from cmc_webhooks import erasure, health, keyset, wire
from cmc_webhooks.event_types import EVENT_TYPES
from cmc_webhooks.querysets import exactly
from cmc_webhooks.rows import aware, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from django.core.management import CommandParser
    from django.db.models import QuerySet

__all__ = [
    "Progress",
    "add_filters",
    "address",
    "day",
    "duration",
    "moment",
    "name",
    "narrowed",
    "number",
    "progress",
    "text",
    "whole",
]

_MOST_DIGITS = 20
_LONGEST_ADDRESS = 2000  # SQLite takes no pattern longer than 50,000 bytes, each character escaped

Rows = TypeVar("Rows", bound="QuerySet[Any]")


def text(given: str) -> str:
    """A text as it is.

    Raises:
        argparse.ArgumentTypeError: no database takes it.
    """
    if wire.clean(given) != given:
        raise argparse.ArgumentTypeError("a NUL or half a character is in it")
    return given


def name(given: str) -> str:
    """A name, of one line.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    if not given or not given.isprintable():
        raise argparse.ArgumentTypeError(f"{given!r} is no name")
    return given


def address(given: str) -> str:
    """An address in any spelling.

    Raises:
        argparse.ArgumentTypeError: it is none; what was given is not repeated, since it may name somebody.
    """
    if len(given) > _LONGEST_ADDRESS or not erasure.is_address(text(given)):
        raise argparse.ArgumentTypeError("this is no address")
    return given


def moment(text: str) -> datetime:
    """A date or a date and time in ISO form, aware; in the project's zone unless it has its own.

    Raises:
        argparse.ArgumentTypeError: it is neither, or of a year that is out of bounds.
    """
    try:
        parsed = parse_datetime(text)
        if parsed is None and (day := parse_date(text)) is not None:
            parsed = datetime.combine(day, time.min)
    except ValueError:
        parsed = None
    if parsed is None:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a date nor a date and time in ISO form")
    if parsed.year not in keyset.YEARS:
        first, last = keyset.YEARS[0], keyset.YEARS[-1]
        raise argparse.ArgumentTypeError(f"{text!r} is not of the years {first} to {last}")
    return aware(parsed)


def day(text: str) -> date:
    """A date in ISO form.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    try:
        parsed = parse_date(text)
    except ValueError:
        parsed = None
    if parsed is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no date in ISO form")
    return parsed


def duration(text: str) -> float:
    """The seconds of a duration such as 90s, 30m, 2h or 1d.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    try:
        return health.seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def whole(low: int, high: int = 10**9) -> Callable[[str], int]:
    """The type of an option that is a whole number between these."""

    def whole_number(text: str) -> int:
        value = int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {low} to {high}")
        return value

    return whole_number


def number(high: float, low: float = 0) -> Callable[[str], float]:
    """The type of an option that is a number between these."""

    def bounded(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {low:g} to {high:g}")
        return value

    return bounded


def add_filters(parser: CommandParser, *names: str) -> None:
    """Add these of the common filters."""
    filters: dict[str, dict[str, Any]] = {
        "--since": {
            "type": moment,
            "metavar": "TIME",
            "help": "from this time on (2023-01-25, 2023-01-25T14:00+09:00)",
        },
        "--until": {"type": moment, "metavar": "TIME", "help": "before this time"},
        "--status": {"type": text, "help": "of mails with this status now"},
        "--address": {"type": address, "help": "to this address, in any spelling"},
        "--composition": {"type": text, "help": "of this server composition"},
        "--type": {"choices": tuple(EVENT_TYPES), "help": "events of this type; all by default"},
    }
    for option in names:
        parser.add_argument(option, **filters[option])


def narrowed(rows: Rows, chosen: Mapping[str, Any], **columns: str) -> Rows:
    """Those rows that the filters let through; `columns` name, for each filter, the column it is about.

    A filter that was not given lets all through. Bounds in time are those of `since` and `until`.
    """
    lookups = {"since": "__gte", "until": "__lt"}
    for option, column in columns.items():
        value = chosen[option]
        if value is None:
            continue
        if option in lookups:
            rows = rows.filter(**{column + lookups[option]: stored(value)})
        else:
            rows = exactly(rows, column, value)
    return rows


class Progress:
    """How much is done; called with each number more, which it shows."""

    def __init__(self, show: Callable[[int], Any]) -> None:
        self.done = 0
        self._show = show

    def __call__(self, number: int) -> None:
        self.done += number
        self._show(number)


@contextmanager
def progress(total: int | None, unit: str) -> Iterator[Progress]:
    """A progress bar on a terminal, if tqdm is installed (extra `cli`); elsewhere it is counted in silence.

    `total` is None where nobody knows it.
    """
    try:
        from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore] # an extra
    except ImportError:
        yield Progress(lambda number: None)
        return
    with tqdm(total=total, unit=unit, disable=not sys.stderr.isatty()) as bar:
        yield Progress(bar.update)
