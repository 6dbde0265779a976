"""What the value of a setting can be."""

from __future__ import annotations

import math
from ipaddress import ip_network
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.module_loading import import_string

NOWHERE = (ImportError, TypeError, ValueError)
"""What a dotted path raises that leads nowhere: the latter two where it begins with a dot."""


def found_at(path: Any) -> Any:
    """What a dotted path leads to; None if it is none, or leads nowhere."""
    try:
        return import_string(path) if isinstance(path, str) else None
    except NOWHERE:
        return None


def is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset)


def is_integer(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_duration(value: Any) -> bool:
    """Whether it is None, or a number of seconds."""
    if value is None:
        return True
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def is_network(value: Any) -> bool:
    try:
        ip_network(value, strict=False)
    except (ValueError, TypeError):
        return False
    return isinstance(value, str)


def is_zone(value: Any) -> bool:
    try:
        ZoneInfo(value)
    except (OSError, ValueError, TypeError, AttributeError, LookupError):
        return False
    return True
