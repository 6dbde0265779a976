"""What the commands share: their filters, and a progress bar for people."""

from __future__ import annotations

import argparse
import sys
from contextlib import contextmanager
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, TypeVar

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from cmc_webhooks import health
from cmc_webhooks.event_types import EVENT_TYPES
from cmc_webhooks.rows import stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from django.core.management import CommandParser
    from django.db.models import QuerySet

__all__ = ["add_filters", "day", "duration", "moment", "narrowed", "number", "progress", "whole"]

Rows = TypeVar("Rows", bound="QuerySet[Any]")


def moment(text: str) -> datetime:
    """A date or a date and time in ISO form, aware; in the project's zone unless it has its own.

    Raises:
        argparse.ArgumentTypeError: it is neither.
    """
    try:
        parsed = parse_datetime(text)
        if parsed is None and (day := parse_date(text)) is not None:
            parsed = datetime.combine(day, time.min)
    except ValueError:
        parsed = None
    if parsed is None:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a date nor a date and time in ISO form")
    return timezone.make_aware(parsed) if timezone.is_naive(parsed) else parsed


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
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {low} to {high}")
        return int(text)

    return whole_number


def number(high: float) -> Callable[[str], float]:
    """The type of an option that is a number from 0 to `high`."""

    def bounded(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1
        if not 0 <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to {high:g}")
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
        "--status": {"help": "of mails with this status now"},
        "--address": {"help": "to this address, in any spelling"},
        "--composition": {"help": "of this server composition"},
        "--type": {"choices": tuple(EVENT_TYPES), "help": "events of this type; all by default"},
    }
    for name in names:
        parser.add_argument(name, **filters[name])


def narrowed(rows: Rows, chosen: Mapping[str, Any], **columns: str) -> Rows:
    """Those rows that the filters let through; `columns` name, for each filter, the column it is about.

    A filter that was not given lets all through. Bounds in time are those of `since` and `until`.
    """
    lookups = {"since": "__gte", "until": "__lt"}
    for name, column in columns.items():
        value = chosen[name]
        if value is not None:
            value = stored(value) if name in lookups else value
            rows = rows.filter(**{column + lookups.get(name, ""): value})
    return rows


@contextmanager
def progress(total: int | None, unit: str) -> Iterator[Callable[[int], Any]]:
    """A progress bar on a terminal, if tqdm is installed (extra `cli`); silence elsewhere.

    `total` is None where nobody knows it.
    """
    try:
        from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore] # an extra
    except ImportError:
        yield lambda done: None
        return
    with tqdm(total=total, unit=unit, disable=not sys.stderr.isatty()) as bar:
        yield bar.update
