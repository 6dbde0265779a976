"""Does each setting have a value that it can have, and does the webhook have an address?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import django
from django.apps import apps
from django.conf import settings
from django.urls import NoReverseMatch, Resolver404, resolve, reverse
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from cmc_webhooks.checks.messages import Message, error, warning
from cmc_webhooks.conf import DEFAULTS, PREFIX, app_settings
from cmc_webhooks.verdicts import Rule

if TYPE_CHECKING:
    from django.apps import AppConfig

SECRETS = ("API_KEYS", "BASIC_AUTH", "BEARER_TOKENS")
OTHER_SECRETS = ("HEALTH_TOKENS",)
SHORTEST_SECRET = 16
SHORTEST_RETENTION_DAYS = 60
RETENTION_KINDS = ("notifications", "rejected", "events", "mails", "personal")


def check_secrets(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Message]:
    """E001 to W005: is there a secret, and can it be one?"""
    return list(_secrets())


def _secrets() -> Iterator[Message]:
    if not any(app_settings.raw(name) for name in SECRETS):
        if not app_settings.allow_unauthenticated:
            yield error(
                "E001",
                _("No secret is configured: every notification is refused with 403."),
                _(
                    "Set CMC_WEBHOOKS_API_KEYS, CMC_WEBHOOKS_BASIC_AUTH or CMC_WEBHOOKS_BEARER_TOKENS to a "
                    "list of secrets; for local work only, set CMC_WEBHOOKS_ALLOW_UNAUTHENTICATED = True."
                ),
            )
        elif not settings.DEBUG:
            yield warning(
                "W005",
                _("Whoever finds the address of the webhook can write to the history."),
                _("Configure a secret and remove CMC_WEBHOOKS_ALLOW_UNAUTHENTICATED."),
            )
    for name in SECRETS + OTHER_SECRETS:
        value = app_settings.raw(name)
        if not is_list(value) or not all(isinstance(secret, str) and secret for secret in value):
            yield error(
                "E002",
                _("%s is not a list of texts, or one of them is empty.") % f"{PREFIX}{name}",
                _('Write %s = ["..."]; an unset environment variable must not become "".')
                % f"{PREFIX}{name}",
            )
            continue
        if name == "BASIC_AUTH" and not all(":" in secret for secret in value):
            yield error(
                "E003",
                _("An entry of CMC_WEBHOOKS_BASIC_AUTH has no colon."),
                _('Write each as "user:password".'),
            )
        if any(len(secret) < SHORTEST_SECRET or not secret.isascii() for secret in value):
            yield warning(
                "W004",
                _("A secret in %(setting)s is under %(number)d characters, or not ASCII.")
                % {"setting": f"{PREFIX}{name}", "number": SHORTEST_SECRET},
                _('Make one with: python -c "import secrets; print(secrets.token_urlsafe(32))"'),
            )


def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Message]:
    """E006 to W015: does each setting have a value that it can have?"""
    return list(_settings())


def _settings() -> Iterator[Message]:
    for name in dir(settings):
        if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in DEFAULTS:
            yield error("E006", _("There is no setting %s.") % name, _("See the README's table of settings."))
    for name in ("ALLOW_UNAUTHENTICATED", "STORE_SUBJECT", "RAW_SQL", "DROP_SUPPRESSED"):
        if not isinstance(app_settings.raw(name), bool):
            yield error(
                "E007", _("%s is neither True nor False.") % f"{PREFIX}{name}", _("Write one of them.")
            )
    for name, least in (("MAX_BODY", 1), ("MAX_EVENTS", 1), ("TRUSTED_PROXIES", 0)):
        if not _is_integer(app_settings.raw(name), least):
            yield error(
                "E008",
                _("%(setting)s is not an integer of at least %(number)d.")
                % {"setting": f"{PREFIX}{name}", "number": least},
                _("Write a number."),
            )
    if not is_zone(app_settings.raw("TIME_ZONE")):
        yield error(
            "E009",
            _("CMC_WEBHOOKS_TIME_ZONE is no time zone."),
            _('Write the zone chosen for the webhook in the console by its IANA name, such as "Asia/Tokyo".'),
        )
    if app_settings.raw("DISPATCH") == "deferred":
        yield from _workers()
    elif not _is_callable("wake_up"):
        yield error(
            "E010",
            _('CMC_WEBHOOKS_DISPATCH is neither "inline" nor "deferred" nor the dotted path of a callable.'),
            _("Inline: the request sends the signals after its commit. Otherwise a worker does."),
        )
    if not _is_callable("related_object"):
        yield error(
            "E041",
            _("CMC_WEBHOOKS_RELATED_OBJECT is not the dotted path of a callable."),
            _("Name a function that takes an API data value and returns an object of yours, or None."),
        )
    if not _is_callable("email_backend"):
        yield error(
            "E042",
            _("CMC_WEBHOOKS_EMAIL_BACKEND is not the dotted path of an e-mail backend."),
            _("Name the backend that sent your mails before, such as Django's SMTP backend."),
        )
    yield from _api()
    yield from _networks()
    yield from _retention()
    yield from _suppression()
    if not _is_duration(app_settings.raw("MAX_SILENCE")):
        yield error(
            "E035",
            _("CMC_WEBHOOKS_MAX_SILENCE is neither None nor a number of seconds over 0."),
            _("Write the longest time in which your project sends no mail, such as 6 * 3600."),
        )


def _workers() -> Iterator[Message]:
    if django.VERSION < (6, 0) and not apps.is_installed("django_tasks"):
        yield error(
            "E022",
            _('CMC_WEBHOOKS_DISPATCH is "deferred", but there are no tasks.'),
            _('Install django-cmc-webhooks[tasks] and add "django_tasks" to INSTALLED_APPS.'),
        )
        return
    backends = getattr(settings, "TASKS", None) or {}
    backend = str(backends.get("default", {}).get("BACKEND", "immediate"))
    if "immediate" in backend or "dummy" in backend:
        yield warning(
            "W023",
            _('CMC_WEBHOOKS_DISPATCH is "deferred", but the task backend has no workers.'),
            _("Set TASKS to a backend with workers, such as django_tasks_db.DatabaseBackend."),
        )


def _api() -> Iterator[Message]:
    if not apps.is_installed("rest_framework"):
        return
    try:
        permissions = [import_string(path) for path in app_settings.api_permissions]
    except (ImportError, TypeError):
        permissions = []
    if not permissions or not all(isinstance(permission, type) for permission in permissions):
        yield error(
            "E024",
            _("CMC_WEBHOOKS_API_PERMISSIONS is not a list of dotted paths of permission classes."),
            _("Leave it out: then whoever may view a model in the admin may read it in the API."),
        )
    if _is_api_mounted() and not apps.is_installed("django_filters"):
        yield warning(
            "W025",
            _("The API is mounted, but django_filters is not installed."),
            _('Add "django_filters" to INSTALLED_APPS: the browsable API needs its templates.'),
        )


def _is_api_mounted() -> bool:
    try:
        return bool(reverse("cmc_webhooks_api:mail-list"))
    except NoReverseMatch:
        return False


def _networks() -> Iterator[Message]:
    networks = app_settings.raw("ALLOWED_NETWORKS")
    if networks is None:
        return
    if not is_list(networks) or not networks or not all(_is_network(network) for network in networks):
        yield error(
            "E011",
            _("CMC_WEBHOOKS_ALLOWED_NETWORKS is not a list of networks."),
            _('Write None, or networks such as ["192.0.2.0/24"].'),
        )
    behind_proxy = settings.SECURE_PROXY_SSL_HEADER or settings.USE_X_FORWARDED_HOST
    if behind_proxy and app_settings.raw("TRUSTED_PROXIES") == 0:
        yield warning(
            "W012",
            _("The project stands behind a proxy, and the allow-list sees the proxy's address only."),
            _("Set CMC_WEBHOOKS_TRUSTED_PROXIES to the number of proxies that add to X-Forwarded-For."),
        )


def _retention() -> Iterator[Message]:
    retention = app_settings.raw("RETENTION")
    if not isinstance(retention, Mapping) or not all(
        kind in RETENTION_KINDS and _is_integer(days, 1) for kind, days in retention.items()
    ):
        yield error(
            "E013",
            _("CMC_WEBHOOKS_RETENTION is not a dict of days by kind."),
            _("Kinds are %s; days are integers; a kind left out is kept.") % ", ".join(RETENTION_KINDS),
        )
    elif any(days < SHORTEST_RETENTION_DAYS for days in retention.values()):
        yield warning(
            "W014",
            _("CMC_WEBHOOKS_RETENTION keeps something for less than %d days.") % SHORTEST_RETENTION_DAYS,
            _("CMC's console shows 40 days: a shorter history cannot be compared with it."),
        )


def _suppression() -> Iterator[Message]:
    given = app_settings.raw("SUPPRESSION")
    if not isinstance(given, Mapping) or not all(
        name in Rule._fields and (_is_integer(value, 1) or (name == "expires" and value is None))
        for name, value in given.items()
    ):
        yield error(
            "E040",
            _("CMC_WEBHOOKS_SUPPRESSION is not a dict of soft, window and expires."),
            _("soft is a number of bounces, window and expires are days; expires may be None, for never."),
        )


def check_address(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Message]:
    """W015: do both spellings of the webhook's address lead to it, so that no redirect loses a POST?"""
    try:
        address = reverse("cmc_webhooks:webhook").rstrip("/")
        found = {resolve(spelling).view_name for spelling in (address or "/", f"{address}/")}
    except (NoReverseMatch, Resolver404):
        found = set()
    if found == {"cmc_webhooks:webhook"}:
        return []
    return [
        warning(
            "W015",
            _("The webhook is not mounted, or not under both spellings of its address."),
            _('Write path("cmc/webhook", include("cmc_webhooks.urls")), without a slash at the end.'),
        )
    ]


def _is_callable(name: str) -> bool:
    """Whether a setting that is a dotted path leads to something that can be called, or is not set."""
    try:
        found = getattr(app_settings, name)
        return found is None or callable(found)
    except ImportError:
        return False


def is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset)


def _is_integer(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_duration(value: Any) -> bool:
    if value is None:
        return True
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _is_network(value: Any) -> bool:
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
