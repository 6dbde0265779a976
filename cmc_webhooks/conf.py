"""The app's settings, read from the project's settings on each access. Nothing is cached."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["DEFAULTS", "MOST_DAYS", "PREFIX", "Settings", "SuppressionRule", "app_settings", "is_safe_url"]

PREFIX = "CMC_WEBHOOKS_"
MOST_DAYS = 36_500
"""A century, in days. Longer periods are capped to it, since much longer ones would leave the calendar."""
DEAD_SIGNAL_DAYS = 30
"""The default of `RETENTION["signals"]`."""
CHANGE_DAYS = 30
"""The default of `RETENTION["changes"]` where the change feed is on."""

DEFAULTS: Mapping[str, Any] = {
    "API_KEYS": (),
    "BASIC_AUTH": (),
    "BEARER_TOKENS": (),
    "ALLOW_UNAUTHENTICATED": False,
    "ALLOWED_NETWORKS": None,
    "TRUSTED_PROXIES": 0,
    "TIME_ZONE": "Asia/Tokyo",
    "DISPATCH": "inline",
    "MAX_BODY": 2 * 1024 * 1024,
    "MAX_EVENTS": 1000,
    "STORE_SUBJECT": True,
    "RETENTION": {},
    "SUPPRESSION": {},
    "RAW_SQL": True,
    "CHANGE_FEED": False,
    "MAX_XLSX_ROWS": 100_000,
    "API_PERMISSIONS": ("cmc_webhooks.api.permissions.MayView",),
    "REST_USER": "",
    "REST_KEY": "",
    "REST_TIME_ZONE": None,
    "REST_URL": "https://api.smtps.jp/transaction/v2",
    "REST_COMPOSITIONS": (),
    "REST_MAY_LIFT": False,
    "RELATED_OBJECT": None,
    "API_DATA_OF": {},
    "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
    "DROP_SUPPRESSED": True,
    "COMPOSITION": None,
    "TRANSACTIONAL": None,
    "HEALTH_TOKENS": (),
    "MAX_SILENCE": "auto",
    "ALERT_EMAILS": (),
    "ALERT_SLACK_URL": "",
}


class SuppressionRule(NamedTuple):
    """The setting `SUPPRESSION`: when bounces suppress an address, and for how long.

    `soft` soft bounces in a row, each within `window` of the previous one, suppress the address. One that
    comes less than `apart` after the last one that counted does not count: an outage of an hour is one fault.
    A suppression ends `expires` after the bounce that caused it, or after the first receipt of its mail if
    that is later. One by soft bounces ends `soft_expires` after the last that counted. None is never.
    """

    soft: int = 3
    window: timedelta = timedelta(days=30)
    expires: timedelta | None = timedelta(days=180)
    soft_expires: timedelta | None = timedelta(days=30)
    apart: timedelta = timedelta(days=1)


class Settings:
    """The `CMC_WEBHOOKS_*` settings with their defaults and types. `checks` reports invalid values."""

    def raw(self, name: str) -> Any:
        """Return the value as the project wrote it, or else the default."""
        return getattr(settings, PREFIX + name, DEFAULTS[name])

    @property
    def api_keys(self) -> tuple[str, ...]:
        return self._secrets("API_KEYS")

    @property
    def basic_auth(self) -> tuple[str, ...]:
        """Return the BASIC pairs, each as `user:password`."""
        return self._secrets("BASIC_AUTH")

    @property
    def bearer_tokens(self) -> tuple[str, ...]:
        return self._secrets("BEARER_TOKENS")

    @property
    def allow_unauthenticated(self) -> bool:
        return self.raw("ALLOW_UNAUTHENTICATED") is True

    @property
    def allowed_networks(self) -> tuple[str, ...] | None:
        """Return the networks in CIDR form. None allows every address."""
        networks = self.raw("ALLOWED_NETWORKS")
        if networks is None:
            return None
        return (networks,) if isinstance(networks, str) else tuple(networks)

    @property
    def trusted_proxies(self) -> int:
        """Return the number of the project's own proxies. Each of them appends to X-Forwarded-For."""
        return int(self.raw("TRUSTED_PROXIES"))

    @property
    def time_zone(self) -> ZoneInfo:
        """Return the zone chosen for the webhook in CMC's console."""
        return ZoneInfo(self.raw("TIME_ZONE"))

    @property
    def raw_sql(self) -> bool:
        """Return whether hand-written SQL is used where it is faster than the ORM, such as for batches."""
        return self.raw("RAW_SQL") is not False

    @property
    def change_feed(self) -> bool:
        """Return whether changes are recorded for the change feed."""
        return self.raw("CHANGE_FEED") is True

    @property
    def is_deferred(self) -> bool:
        """Return whether a worker sends the signals instead of the request."""
        return bool(self.raw("DISPATCH") != "inline")

    @property
    def wake_up(self) -> Callable[[], Any] | None:
        """Return the project's function that wakes a worker, or None for the task of `cmc_webhooks.tasks`.

        Raises:
            ImportError: the dotted path cannot be imported.
        """
        path = str(self.raw("DISPATCH"))
        return None if path in ("inline", "deferred") else import_string(path)

    @property
    def max_body(self) -> int:
        """Return the maximum size of a body in bytes."""
        return int(self.raw("MAX_BODY"))

    @property
    def max_events(self) -> int:
        return int(self.raw("MAX_EVENTS"))

    @property
    def max_xlsx_rows(self) -> int:
        """Return the maximum number of rows of a list that is exported as an Excel file."""
        return int(self.raw("MAX_XLSX_ROWS"))

    @property
    def store_subject(self) -> bool:
        return bool(self.raw("STORE_SUBJECT"))

    @property
    def retention(self) -> dict[str, int]:
        """Return the days of retention by kind, a century at most.

        A kind without days is kept, and so is one with less than one day (which E013 reports).
        """
        given = dict(self.raw("RETENTION"))
        if self.change_feed:
            given.setdefault("changes", CHANGE_DAYS)
        return {kind: min(days, MOST_DAYS) for kind, days in given.items() if days > 0}

    @property
    def dead_signal_days(self) -> int:
        """Return the days for which a dead signal keeps the rows that it needs, 30 by default."""
        return self.retention.get("signals", DEAD_SIGNAL_DAYS)

    @property
    def retention_of_events(self) -> int | None:
        """Return the days after which an event is deleted and must not be stored again, or None for never.

        An event is deleted with its mail at the latest.
        """
        days = [self.retention[kind] for kind in ("events", "mails") if kind in self.retention]
        return min(days) if days else None

    @property
    def suppression(self) -> SuppressionRule:
        """Return the suppression rule. Its times are a century at most, or its ends None for never."""
        given = dict(self.raw("SUPPRESSION"))
        days = {
            name: None if value is None else timedelta(days=min(value, MOST_DAYS))
            for name, value in given.items()
            if name != "soft"
        }
        return SuppressionRule()._replace(**{**given, **days})

    @property
    def api_permissions(self) -> tuple[str, ...]:
        """Return the dotted paths of the permission classes that every view of the API checks."""
        value = self.raw("API_PERMISSIONS")
        return (value,) if isinstance(value, str) else tuple(value)

    @property
    def rest_user(self) -> str:
        """Return the API user for CMC's REST API, or "" if none is configured."""
        return str(self.raw("REST_USER") or "")

    @property
    def rest_key(self) -> str:
        return str(self.raw("REST_KEY") or "")

    @property
    def rest_time_zone(self) -> ZoneInfo:
        """Return the zone chosen for the API user in CMC's console, by default the webhook's zone."""
        return ZoneInfo(self.raw("REST_TIME_ZONE") or self.raw("TIME_ZONE"))

    @property
    def rest_url(self) -> str:
        """Return the base URL of CMC's REST API."""
        return str(self.raw("REST_URL"))

    @property
    def rest_compositions(self) -> tuple[str, ...]:
        """Return the names of the server compositions to fetch."""
        value = self.raw("REST_COMPOSITIONS")
        return (value,) if isinstance(value, str) else tuple(value)

    @property
    def rest_may_lift(self) -> bool:
        """Return whether entries may be removed from CMC's own lists through its REST API."""
        return self.raw("REST_MAY_LIFT") is True

    @property
    def related_object(self) -> Callable[[str], Any] | None:
        """Return the function that finds the project's object for an API data value, or None if not set.

        Raises:
            ImportError: the dotted path cannot be imported.
        """
        path = self.raw("RELATED_OBJECT")
        return None if path is None else import_string(str(path))

    @property
    def api_data_of(self) -> dict[str, Callable[[Any], Any]]:
        """Return what gives the API data value of an object, by the label of its model in lower case.

        Raises:
            ImportError: a dotted path cannot be imported.
        """
        return {
            label.lower(): import_string(path) if "." in path else partial(_attribute, path)
            for label, path in dict(self.raw("API_DATA_OF")).items()
        }

    @property
    def email_backend(self) -> Callable[..., Any]:
        """Return the backend behind `email_backend.SuppressingBackend`.

        Raises:
            ImportError: the dotted path cannot be imported.
        """
        backend: Callable[..., Any] = import_string(str(self.raw("EMAIL_BACKEND")))
        return backend

    @property
    def drop_suppressed(self) -> bool:
        """Return whether suppressed recipients are removed from mails, and not only reported."""
        return self.raw("DROP_SUPPRESSED") is not False

    @property
    def composition(self) -> str | None:
        """Return the server composition that the project's mail is sent through, or None if not set."""
        value = self.raw("COMPOSITION")
        return None if value is None else str(value)

    @property
    def transactional(self) -> Callable[[Any], bool] | None:
        """Return the function that says whether a message is transactional, or None if not set.

        Raises:
            ImportError: the dotted path cannot be imported.
        """
        path = self.raw("TRANSACTIONAL")
        return None if path is None else import_string(str(path))

    @property
    def health_tokens(self) -> tuple[str, ...]:
        """Return the Bearer tokens that give access to the health view and the metrics, and nothing else."""
        return self._secrets("HEALTH_TOKENS")

    @property
    def max_silence(self) -> float | None:
        """Return the seconds without a notification after which a problem is reported.

        None means never, or the usual silence if that is learnt.
        """
        value = self.raw("MAX_SILENCE")
        return None if value is None or self.learns_max_silence else float(value)

    @property
    def learns_max_silence(self) -> bool:
        """Return whether the longest acceptable silence is learnt from past notifications."""
        return bool(self.raw("MAX_SILENCE") == "auto")

    @property
    def alert_emails(self) -> tuple[str, ...]:
        """Return the addresses that alerts are sent to."""
        value = self.raw("ALERT_EMAILS")
        return (value,) if isinstance(value, str) and value else tuple(value or ())

    @property
    def alert_slack_url(self) -> str:
        """Return the URL of a Slack-compatible webhook, which is a secret; "" for none."""
        return str(self.raw("ALERT_SLACK_URL") or "")

    def _secrets(self, name: str) -> tuple[str, ...]:
        """Return the secrets of a setting. A single text is one secret, so it is never split into letters."""
        value = self.raw(name)
        return (value,) if isinstance(value, str) else tuple(value or ())


def is_safe_url(url: Any) -> bool:
    """Return whether data sent to this URL cannot be read in transit: HTTPS, or HTTP to a loopback host."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except (ValueError, AttributeError, TypeError):
        return False
    return isinstance(url, str) and (
        (parts.scheme == "https" and bool(host)) or (parts.scheme == "http" and _is_loopback(host))
    )


def _attribute(name: str, row: Any) -> Any:
    """Return an attribute, or what it returns if it is a method."""
    value = getattr(row, name)
    return value() if callable(value) else value


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


app_settings = Settings()
