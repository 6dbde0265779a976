"""Cells and lines of CSV files. No cell is a formula for a spreadsheet, whatever it separates cells by."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cmc_webhooks.timezones import format_local

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["BOM", "cell", "line"]

BOM = "\ufeff"
"""The byte order mark by which Excel recognises UTF-8."""

_BLANKS = r"[\s\x00-\x20\u00ad\u180e\u200b-\u200f\u2028-\u202f\u2060-\u2064\ufeff]*"
_FORMULA = re.compile(rf"[\t\r\n]|{_BLANKS}[=+\-@＝＋－＠]")
"""What a formula begins with in spreadsheets, full-width characters too (OWASP, CSV Injection).

Some spreadsheets skip blanks and characters that nobody sees before it.
"""


def cell(value: Any) -> str:
    """Return a value as text that spreadsheets do not read as a formula.

    Times are in the active zone, without an offset.
    """
    if value is None:
        return ""
    if isinstance(value, datetime):
        return format_local(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False) if value else ""
    text = str(value)
    return f"'{text}" if _FORMULA.match(text) else text


def line(values: Iterable[Any]) -> str:
    """Return a line of a CSV file with these values as cells, all of them quoted (RFC 4180)."""
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerow([cell(value) for value in values])
    return text.getvalue()
