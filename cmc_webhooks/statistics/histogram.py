"""Histogram of delivery times: numbers of mails by time. Pure.

Twenty classes are enough to estimate a median and a 95th percentile. They can be added up over days.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["EDGES", "add", "place", "quantile"]

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
EDGES = (
    *(1, 2, 3, 5, 10, 20, 30),
    *(_MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 30 * _MINUTE),
    *(_HOUR, 2 * _HOUR, 6 * _HOUR, 12 * _HOUR),
    *(_DAY, 2 * _DAY, 5 * _DAY),
)
"""Seconds at which the next class begins. The first class begins at 0, the last has no end."""


def place(seconds: float) -> int:
    """Return the index of the class for a delivery time in seconds."""
    return bisect_right(EDGES, seconds)


def add(one: Sequence[int], other: Sequence[int]) -> list[int]:
    """Return the sums of both, class by class. An empty sequence stands for no mails."""
    if not one or not other:
        return list(one or other)
    return [a + b for a, b in zip(one, other, strict=True)]


def quantile(classes: Sequence[int], share: float) -> float | None:
    """Return the seconds within which this share (0 to 1) of the mails were delivered; None without mails.

    Mails are assumed to be spread evenly inside a class. Beyond the last edge, that edge is returned.
    """
    total = sum(classes)
    if not total:
        return None
    wanted = share * total
    for number, (reached, inside) in enumerate(zip(accumulate(classes), classes, strict=True)):
        if inside and reached >= wanted:
            start = EDGES[number - 1] if number else 0
            end = EDGES[number] if number < len(EDGES) else start
            return start + (end - start) * (1 - (reached - wanted) / inside)
    return float(EDGES[-1])
