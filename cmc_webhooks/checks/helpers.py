"""Helpers of the checks: build messages and test the values of settings."""

from __future__ import annotations

import math
from importlib.util import find_spec
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.core import checks
from django.utils.module_loading import import_string
from django.utils.translation import gettext

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

Message = checks.CheckMessage

NOWHERE = (ImportError, TypeError, ValueError)
"""Exceptions from importing an invalid dotted path. The latter two occur if the path begins with a dot."""


_LONGEST_SHOWN = 100
"""Characters of a setting's value in a message."""


def error(number: str, message: str, hint: str) -> Message:
    return checks.Error(message, hint=hint, id=f"cmc_webhooks.{number}")


def warning(number: str, message: str, hint: str) -> Message:
    return checks.Warning(message, hint=hint, id=f"cmc_webhooks.{number}")


def found_at(path: Any) -> Any:
    """Return the object at a dotted path. Return None if the value is not a text or cannot be imported."""
    try:
        return import_string(path) if isinstance(path, str) else None
    except NOWHERE:
        return None


def shown(value: Any) -> str:
    """Return a value of a setting as one short line; a text is in double quotes."""
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    line = ascii(text)[1:-1] if not text.isprintable() else text
    return line if len(line) <= _LONGEST_SHOWN else f"{line[:_LONGEST_SHOWN]}..."


def app_of(path: str) -> str:
    """Return the package of a dotted path if it has models, so that it must be an installed app; else ""."""
    package = path.partition(".")[0]
    try:
        has_models = find_spec(package) is not None and find_spec(f"{package}.models") is not None
    except (ImportError, ValueError):
        return ""
    return package if has_models and package != "django" else ""


def lacks_pool_package(connection: BaseDatabaseWrapper) -> bool:
    """Return whether a database has a pool whose package is not installed, so that nothing can connect."""
    if connection.vendor != "postgresql" or not (connection.settings_dict.get("OPTIONS") or {}).get("pool"):
        return False
    try:
        return find_spec("psycopg_pool") is None
    except (ImportError, ValueError):
        return True


def why_not_found(path: Any) -> str:
    """Return why nothing can be imported from a dotted path; "" if something can.

    Importing runs the project's code, so any exception is a reason.
    """
    if not isinstance(path, str):
        return gettext("it is not a dotted path")
    try:
        import_string(path)
    except ImportError as fault:
        return _one_line(str(fault))
    except Exception as fault:  # noqa: BLE001 - see above
        return _one_line(f"{type(fault).__name__}: {fault}")
    return ""


def why_not_callable(path: Any) -> str:
    """Return why a dotted path does not name a callable; "" if it does."""
    reason = why_not_found(path)
    return reason or ("" if callable(import_string(path)) else gettext("it is not callable"))


def unreadable(number: str, setting: str, value: Any, reason: str, hint: str) -> Message:
    """Return the error for a setting whose dotted path cannot be used, with its value and the reason."""
    message = gettext("%(setting)s is %(value)s: %(reason)s.")
    return error(number, message % {"setting": setting, "value": shown(value), "reason": reason}, hint)


def _one_line(text: str) -> str:
    return " ".join(text.split()).removesuffix(".")


def is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset)


def is_integer(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_duration(value: Any) -> bool:
    """Return True for None and for a finite number of seconds above 0."""
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
