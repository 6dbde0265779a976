"""Names of parametrised tests that are the same in each process, as xdist requires."""

from __future__ import annotations

from typing import Any


def ordered(value: Any) -> str:
    """Return a value as text. A set, which each process has in another order, is sorted."""
    return str(sorted(value) if isinstance(value, set) else value)
