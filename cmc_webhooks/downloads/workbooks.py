"""Excel workbooks of tables, written in constant memory. They need XlsxWriter, the extra `xlsx`."""

from __future__ import annotations

import re
from datetime import datetime
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any

from django.utils.translation import gettext

from cmc_webhooks.timezones import to_local

if TYPE_CHECKING:
    from cmc_webhooks.downloads.tables import Table

__all__ = ["CONTENT_TYPE", "is_available", "write"]

CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ROWS_OF_SHEET = 1_048_576
"""Number of rows of a sheet in Excel, its headings included."""
LONGEST_TEXT = 32_767
"""Number of UTF-16 code units of a cell in Excel."""

_TIME_FORMAT = "yyyy-mm-dd hh:mm:ss"
_WIDTH = 24
_LONGEST_TITLE = 31
_NOT_IN_TITLES = re.compile(r"[\[\]:*?/\\']")


def is_available() -> bool:
    """Return whether the package that writes workbooks is installed."""
    try:
        return find_spec("xlsxwriter") is not None
    except (ImportError, ValueError):
        return False


def write(table: Table, file: IO[bytes]) -> None:
    """Write a table as a workbook to a file that can be read and sought.

    Texts are cells of text, so Excel changes none. Times are dates of Excel, in the active zone. A full sheet
    is followed by another one. A text that is too long for a cell is cut, and ends with words that say so.

    Raises:
        ImportError: XlsxWriter is not installed.
    """
    from xlsxwriter import Workbook

    with TemporaryDirectory() as folder:  # in which the sheets are until the workbook is packed
        options = {"constant_memory": True, "tmpdir": folder, "use_zip64": True}
        book = Workbook(file, options)
        try:
            _write(book, table)
        finally:
            book.close()  # also after an error, since it closes the files of the sheets


def _write(book: Any, table: Table) -> None:
    moment = book.add_format({"num_format": _TIME_FORMAT})
    sheet, place = _add_sheet(book, table), 1
    for values in table.values():
        if place == ROWS_OF_SHEET:
            sheet, place = _add_sheet(book, table), 1
        for column, value in enumerate(values):
            if isinstance(value, datetime):
                local = to_local(value).replace(microsecond=0, tzinfo=None)
                sheet.write_datetime(place, column, local, moment)
            elif isinstance(value, int):
                sheet.write_number(place, column, value)
            elif value:
                sheet.write_string(place, column, _cut(str(value)))
        place += 1


def _add_sheet(book: Any, table: Table) -> Any:
    """Return a new sheet with the headings, which stay in view."""
    number = len(book.worksheets()) + 1
    end = "" if number == 1 else f" {number}"
    title = _NOT_IN_TITLES.sub(" ", table.title)[: _LONGEST_TITLE - len(end)]
    headings = table.headings()
    sheet = book.add_worksheet(title + end, worksheet_class=_sheet_class())
    sheet.set_column(0, len(headings) - 1, _WIDTH)
    sheet.freeze_panes(1, 0)
    bold = book.add_format({"bold": True})
    for column, heading in enumerate(headings):
        sheet.write_string(0, column, heading, bold)
    return sheet


def _sheet_class() -> Any:
    """Return a class of sheets in which a text `<r>...</r>` is text, not markup of rich text."""
    from xlsxwriter.worksheet import Worksheet

    class Sheet(Worksheet):  # type: ignore[misc, unused-ignore] # untyped where the extra is not installed
        def _xml_rich_inline_string(self, string: str, attributes: Any = ()) -> None:
            self._xml_inline_string(string, preserve=True, attributes=attributes)

    return Sheet


def _cut(text: str) -> str:
    """Return a text that fits into a cell."""
    if len(text) <= LONGEST_TEXT // 2:
        return text
    units = text.encode("utf-16-le", "surrogatepass")
    if len(units) <= 2 * LONGEST_TEXT:
        return text
    end = gettext(" … (cut: Excel keeps no more of a cell, the CSV has all of it)")
    kept = 2 * (LONGEST_TEXT - len(end))
    return units[:kept].decode("utf-16-le", "ignore") + end
