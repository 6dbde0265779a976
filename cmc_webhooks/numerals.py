"""Numbers as text, grouped as the active language does it, on every page alike."""

from __future__ import annotations

from django.utils import formats, numberformat

__all__ = ["grouped", "percentage"]

_GROUPING = 3
"""For languages that name no grouping."""


def grouped(number: float, decimals: int = 0) -> str:
    """Return a rounded number, its thousands grouped: `1,000` in English and Japanese, `1.000` in German."""
    return numberformat.format(
        f"{number:.{decimals}f}",  # Django would cut off the rest
        formats.get_format("DECIMAL_SEPARATOR"),
        decimals,
        formats.get_format("NUMBER_GROUPING") or _GROUPING,
        formats.get_format("THOUSAND_SEPARATOR"),
        force_grouping=True,
    )


def percentage(part: float, total: float, decimals: int = 1) -> str:
    """Return a share as text in per cent; "" if the total is 0."""
    return f"{grouped(100 * part / total, decimals)} %" if total else ""
