"""The app's settings, read from the project's each time they are asked for; nothing is cached."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.module_loading import import_string

from cmc_webhooks.verdicts import Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["DEFAULTS", "MOST_DAYS", "PREFIX", "Settings", "app_settings"]

PREFIX = "CMC_WEBHOOKS_"
MOST_DAYS = 36_500
"""A century: what is to be kept for longer is kept, and so many days more would leave the calendar."""

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
    "API_PERMISSIONS": ("cmc_webhooks.api.permissions.MayView",),
    "REST_USER": "",
    "REST_KEY": "",
    "REST_TIME_ZONE": None,
    "REST_URL": "https://api.smtps.jp/transaction/v2",
    "REST_COMPOSITIONS": (),
    "RELATED_OBJECT": None,
    "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
    "DROP_SUPPRESSED": True,
    "HEALTH_TOKENS": (),
    "MAX_SILENCE": None,
}


class Settings:
    """`CMC_WEBHOOKS_*` with their defaults and types. Wrong values are told by `checks`, not here."""

    def raw(self, name: str) -> Any:
        """The value as the project wrote it."""
        return getattr(settings, PREFIX + name, DEFAULTS[name])

    @property
    def api_keys(self) -> tuple[str, ...]:
        return self._secrets("API_KEYS")

    @property
    def basic_auth(self) -> tuple[str, ...]:
        """Each `user:password`."""
        return self._secrets("BASIC_AUTH")

    @property
    def bearer_tokens(self) -> tuple[str, ...]:
        return self._secrets("BEARER_TOKENS")

    @property
    def allow_unauthenticated(self) -> bool:
        return self.raw("ALLOW_UNAUTHENTICATED") is True

    @property
    def allowed_networks(self) -> tuple[str, ...] | None:
        """Networks in CIDR form; None lets every address in."""
        networks = self.raw("ALLOWED_NETWORKS")
        if networks is None:
            return None
        return (networks,) if isinstance(networks, str) else tuple(networks)

    @property
    def trusted_proxies(self) -> int:
        """How many proxies of the project's own stand before it, each adding to X-Forwarded-For."""
        return int(self.raw("TRUSTED_PROXIES"))

    @property
    def time_zone(self) -> ZoneInfo:
        """The zone chosen for the webhook in CMC's console."""
        return ZoneInfo(self.raw("TIME_ZONE"))

    @property
    def raw_sql(self) -> bool:
        """Whether batches are stored by SQL of our own where it is faster than the ORM."""
        return self.raw("RAW_SQL") is not False

    @property
    def is_deferred(self) -> bool:
        """Whether a worker sends the signals, not the request."""
        return bool(self.raw("DISPATCH") != "inline")

    @property
    def wake_up(self) -> Callable[[], Any] | None:
        """The project's own way to wake a worker; None: the task of `cmc_webhooks.tasks`.

        Raises:
            ImportError: there is none at the dotted path.
        """
        path = str(self.raw("DISPATCH"))
        return None if path in ("inline", "deferred") else import_string(path)

    @property
    def max_body(self) -> int:
        """Bytes."""
        return int(self.raw("MAX_BODY"))

    @property
    def max_events(self) -> int:
        return int(self.raw("MAX_EVENTS"))

    @property
    def store_subject(self) -> bool:
        return bool(self.raw("STORE_SUBJECT"))

    @property
    def retention(self) -> dict[str, int]:
        """Days by kind, a century at most; a kind that is not named is kept, and one of no day (E013)."""
        given = dict(self.raw("RETENTION"))
        return {kind: min(days, MOST_DAYS) for kind, days in given.items() if days > 0}

    @property
    def retention_of_events(self) -> int | None:
        """Days after which an event is gone, at the latest with its mail, and must not come back."""
        days = [self.retention[kind] for kind in ("events", "mails") if kind in self.retention]
        return min(days) if days else None

    @property
    def suppression(self) -> Rule:
        """When an address is suppressed, and for how long: a century at most, or for ever."""
        given = dict(self.raw("SUPPRESSION"))
        days = {
            name: value and timedelta(days=min(value, MOST_DAYS))
            for name, value in given.items()
            if name != "soft"
        }
        return Rule()._replace(**{**given, **days})

    @property
    def api_permissions(self) -> tuple[str, ...]:
        """Dotted paths of the permission classes that every view of the API asks."""
        value = self.raw("API_PERMISSIONS")
        return (value,) if isinstance(value, str) else tuple(value)

    @property
    def rest_user(self) -> str:
        """The API user that asks CMC's REST API; "" if there is none."""
        return str(self.raw("REST_USER") or "")

    @property
    def rest_key(self) -> str:
        return str(self.raw("REST_KEY") or "")

    @property
    def rest_time_zone(self) -> ZoneInfo:
        """The zone chosen for the API user in CMC's console, by default the webhook's."""
        return ZoneInfo(self.raw("REST_TIME_ZONE") or self.raw("TIME_ZONE"))

    @property
    def rest_url(self) -> str:
        """What the addresses of CMC's REST API begin with."""
        return str(self.raw("REST_URL"))

    @property
    def rest_compositions(self) -> tuple[str, ...]:
        """Names of the server compositions that are fetched."""
        value = self.raw("REST_COMPOSITIONS")
        return (value,) if isinstance(value, str) else tuple(value)

    @property
    def related_object(self) -> Callable[[str], Any] | None:
        """What finds the project's own object for an API data value; None: there is nothing that does.

        Raises:
            ImportError: there is none at the dotted path.
        """
        path = self.raw("RELATED_OBJECT")
        return None if path is None else import_string(str(path))

    @property
    def email_backend(self) -> Callable[..., Any]:
        """The backend behind `email_backend.SuppressingBackend`.

        Raises:
            ImportError: there is none at the dotted path.
        """
        backend: Callable[..., Any] = import_string(str(self.raw("EMAIL_BACKEND")))
        return backend

    @property
    def drop_suppressed(self) -> bool:
        """Whether suppressed recipients are left out, not only told of."""
        return self.raw("DROP_SUPPRESSED") is not False

    @property
    def health_tokens(self) -> tuple[str, ...]:
        """Bearer tokens that open the health view and the metrics, and nothing else."""
        return self._secrets("HEALTH_TOKENS")

    @property
    def max_silence(self) -> float | None:
        """Seconds without a notification after which something is wrong; None: silence never is."""
        value = self.raw("MAX_SILENCE")
        return None if value is None else float(value)

    def _secrets(self, name: str) -> tuple[str, ...]:
        """A list of secrets; a single text is one too, so that it is never taken letter by letter."""
        value = self.raw(name)
        return (value,) if isinstance(value, str) else tuple(value or ())


app_settings = Settings()
