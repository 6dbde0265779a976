"""A set of keys in eight bytes for each, for more keys than a set of Python's holds in little memory."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

__all__ = ["CompactKeys"]

_SORTED_AT = 100_000
_64_BITS = (1 << 64) - 1


class CompactKeys:
    """Keys that were added. `in` may be true for one that was not: once in 2**64 questions for each key."""

    def __init__(self) -> None:
        self._sorted: list[array[int]] = []
        self._latest: set[int] = set()

    def update(self, keys: Iterable[UUID]) -> None:
        """Add these keys."""
        self._latest.update(map(_folded, keys))
        if len(self._latest) >= _SORTED_AT:
            self._sorted.append(array("Q", sorted(self._latest)))
            self._latest.clear()

    def __contains__(self, key: UUID) -> bool:
        folded = _folded(key)
        return folded in self._latest or any(_holds(each, folded) for each in self._sorted)


def _folded(key: UUID) -> int:
    return (key.int ^ key.int >> 64) & _64_BITS


def _holds(ordered: array[int], number: int) -> bool:
    at = bisect_left(ordered, number)
    return at < len(ordered) and ordered[at] == number
