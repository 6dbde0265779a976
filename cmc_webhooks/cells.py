"""Values as cells of a CSV file that spreadsheets open: no cell is a formula. Pure."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils import timezone

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["BOM", "cell", "line"]

BOM = "\ufeff"
"""What tells Excel that a file is UTF-8."""

# What spreadsheets take for the beginning of a formula, full width too (OWASP, CSV Injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def cell(value: Any) -> str:
    """A value as text that no spreadsheet takes for a formula; times in the active zone, without offset."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        local = timezone.localtime(value) if timezone.is_aware(value) else value
        return f"{local:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False) if value else ""
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def line(values: Iterable[Any]) -> str:
    """A line of a CSV file with these values as cells (RFC 4180)."""
    text = io.StringIO(newline="")
    csv.writer(text).writerow([cell(value) for value in values])
    return text.getvalue()
