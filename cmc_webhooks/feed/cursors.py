"""Cursors of the change feed: the epoch, and the number of the last change that was read."""

from __future__ import annotations

import re
from typing import NamedTuple, Self

__all__ = ["Cursor", "Gone", "NotACursor"]

_FORM = re.compile(r"([0-9a-f]{16})\.(0|[1-9][0-9]{0,17})", re.ASCII)


class NotACursor(ValueError):
    """The text is not a cursor that the feed returned."""


class Gone(Exception):
    """Changes after the cursor are missing from the feed. The copy must be made anew."""


class Cursor(NamedTuple):
    """A place in the feed: all changes up to the number `seq` of an epoch were read."""

    epoch: str
    seq: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the cursor that a text holds.

        Raises:
            NotACursor: it holds none.
        """
        if found := _FORM.fullmatch(text):
            return cls(found[1], int(found[2]))
        raise NotACursor("Use the value of `cursor` of an answer unchanged.")

    def __str__(self) -> str:
        return f"{self.epoch}.{self.seq}"
