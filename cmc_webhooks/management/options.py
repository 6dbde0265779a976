"""Shared parts of the commands: argument types, filters and a progress bar."""

from __future__ import annotations

import argparse
import sys
from contextlib import contextmanager
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from django.utils.dateparse import parse_date, parse_datetime

from cmc_webhooks import wire
from cmc_webhooks.db.text import exactly
from cmc_webhooks.erasure import blanking
from cmc_webhooks.event_types import EVENT_TYPES
from cmc_webhooks.monitoring import health
from cmc_webhooks.timezones import to_aware, to_stored, within_calendar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from django.core.management import CommandParser
    from django.db.models import QuerySet

__all__ = [
    "STDIN",
    "Progress",
    "add_filters",
    "address",
    "address_or_stdin",
    "day",
    "duration",
    "integer_type",
    "key",
    "moment",
    "name",
    "narrowed",
    "number",
    "progress",
    "text",
]

STDIN = "-"
"""The argument that means: read it from standard input."""
_MOST_DIGITS = 20
_LONGEST_ADDRESS = 2000  # SQLite limits a pattern to 50,000 bytes; each character is escaped

Rows = TypeVar("Rows", bound="QuerySet[Any]")


def text(given: str) -> str:
    """Return the text unchanged.

    Raises:
        argparse.ArgumentTypeError: the text has a NUL or a lone surrogate, which cannot be stored.
    """
    if wire.clean(given) != given:
        raise argparse.ArgumentTypeError("the text has a NUL or a lone surrogate")
    return given


def name(given: str) -> str:
    """Return a one-line name unchanged.

    Raises:
        argparse.ArgumentTypeError: the name is empty or has a line break or another unprintable character.
    """
    if not given or not given.isprintable():
        raise argparse.ArgumentTypeError(f"{given!r} is not a valid name")
    return given


def address(given: str) -> str:
    """Return an address unchanged, in any spelling.

    Raises:
        argparse.ArgumentTypeError: the text is not a valid address, or is too long. The message does not
            repeat the text, which may be personal data.
    """
    if len(given) > _LONGEST_ADDRESS or not blanking.is_address(text(given)):
        raise argparse.ArgumentTypeError("this is not a valid address")
    return given


def address_or_stdin(given: str) -> str:
    """Return an address as `address` does. For `-`, read it from the first line of standard input.

    Other users of the machine can see the arguments of a command, and shells keep them.

    Raises:
        argparse.ArgumentTypeError: as for `address`.
    """
    if given != STDIN:
        return address(given)
    try:
        line = sys.stdin.readline(_LONGEST_ADDRESS + 2)
    except (OSError, UnicodeError, ValueError):  # it is closed, or not text
        line = ""
    return address(line.strip())


def moment(text: str) -> datetime:
    """Return an ISO date, or date and time, as an aware `datetime`.

    A text without an offset is in the project's TIME_ZONE. A date alone means its midnight. A time outside of
    what can be stored becomes the first or the last time of the calendar.

    Raises:
        argparse.ArgumentTypeError: the text is neither.
    """
    try:
        parsed = parse_datetime(text)
        if parsed is None and (day := parse_date(text)) is not None:
            parsed = datetime.combine(day, time.min)
    except ValueError:
        parsed = None
    if parsed is None:
        raise argparse.ArgumentTypeError(f"{text!r} is neither an ISO date nor an ISO date and time")
    return within_calendar(to_aware(parsed))


def day(text: str) -> date:
    """Return an ISO date as a `date`.

    Raises:
        argparse.ArgumentTypeError: the text is not a valid ISO date.
    """
    try:
        parsed = parse_date(text)
    except ValueError:
        parsed = None
    if parsed is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not an ISO date")
    return parsed


def key(text: str) -> UUID:
    """Return the key of a row, in any spelling of a UUID.

    Raises:
        argparse.ArgumentTypeError: the text is not a UUID.
    """
    try:
        return UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not the key of a row") from None


def duration(text: str) -> float:
    """Return the seconds of a duration such as 90s, 30m, 2h or 1d.

    Raises:
        argparse.ArgumentTypeError: the text is not a valid duration.
    """
    try:
        return health.seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def integer_type(low: int, high: int = 10**9) -> Callable[[str], int]:
    """Return an argparse type for an integer from `low` to `high`, both included."""

    def whole_number(text: str) -> int:
        value = int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} must be an integer between {low} and {high}")
        return value

    return whole_number


def number(high: float, low: float = 0) -> Callable[[str], float]:
    """Return an argparse type for a number from `low` to `high`, both included."""

    def bounded(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} must be a number between {low:g} and {high:g}")
        return value

    return bounded


def add_filters(parser: CommandParser, *names: str) -> None:
    """Add the named common filters to the parser."""
    filters: dict[str, dict[str, Any]] = {
        "--since": {
            "type": moment,
            "metavar": "TIME",
            "help": "from this time on (2023-01-25, 2023-01-25T14:00+09:00)",
        },
        "--until": {"type": moment, "metavar": "TIME", "help": "before this time"},
        "--status": {"type": text, "help": "of mails with this status now"},
        "--mail": {"type": key, "metavar": "KEY", "help": "of the mail with this key, as in the admin's URL"},
        "--event": {"type": key, "metavar": "KEY", "help": "of the event with this key"},
        "--message-id": {
            "type": text,
            "metavar": "ID",
            "help": "of all mails with this message ID, with or without angle brackets",
        },
        "--address": {"type": address, "help": "to this address, in any spelling"},
        "--composition": {"type": text, "help": "of this server composition"},
        "--type": {"choices": tuple(EVENT_TYPES), "help": "events of this type; all by default"},
    }
    for option in names:
        parser.add_argument(option, **filters[option])


def narrowed(rows: Rows, chosen: Mapping[str, Any], **columns: str) -> Rows:
    """Return the rows that match the chosen filters. `columns` maps each filter to the column it applies to.

    A filter that was not given matches every row. `since` is an inclusive bound, `until` an exclusive one.
    """
    lookups = {"since": "__gte", "until": "__lt"}
    for option, column in columns.items():
        value = chosen[option]
        if value is None:
            continue
        if option in lookups:
            rows = rows.filter(**{column + lookups[option]: to_stored(value)})
        else:
            rows = exactly(rows, column, value)
    return rows


class Progress:
    """Counter of finished items. A call adds a number to `done` and shows it."""

    def __init__(self, show: Callable[[int], Any]) -> None:
        self.done = 0
        self._show = show

    def __call__(self, number: int) -> None:
        self.done += number
        self._show(number)


@contextmanager
def progress(total: int | None, unit: str) -> Iterator[Progress]:
    """Yield a progress bar on a terminal if tqdm is installed (extra `cli`), otherwise a silent counter.

    `total` is None if it is unknown.
    """
    try:
        from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore] # an extra
    except ImportError:
        yield Progress(lambda number: None)
        return
    with tqdm(total=total, unit=unit, disable=not sys.stderr.isatty()) as bar:
        yield Progress(bar.update)
