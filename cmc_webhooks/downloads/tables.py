"""Tables for people: columns with a heading in the reader's language, and a value for each row."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils import timezone
from django.utils.text import capfirst

from cmc_webhooks.downloads import csv_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from django_stubs_ext import StrOrPromise

__all__ = ["Column", "Table"]


class Column(NamedTuple):
    """A column: its heading, and what it has for a row.

    A value is text, a number, a time as the project stores it, or None. Text stays text in every file, so
    codes and ids are text. The heading of times names the active zone.
    """

    heading: StrOrPromise
    value: Callable[[Any], str | int | datetime | None]
    is_time: bool = False


class Table(NamedTuple):
    """Rows of any kind, read once, and their columns. `title` names the table."""

    title: str
    columns: Sequence[Column]
    rows: Iterable[Any]

    def headings(self) -> list[str]:
        """Return the headings in the active language."""
        zone = timezone.get_current_timezone_name()
        return [
            f"{capfirst(str(column.heading))} ({zone})" if column.is_time else capfirst(str(column.heading))
            for column in self.columns
        ]

    def values(self) -> Iterator[list[Any]]:
        """Yield the values of each row."""
        for row in self.rows:
            yield [column.value(row) for column in self.columns]

    def csv_lines(self) -> Iterator[str]:
        """Yield the lines of a CSV file, in UTF-8 with a byte order mark."""
        yield csv_cells.BOM + csv_cells.line(self.headings())
        for values in self.values():
            yield csv_cells.line(values)
