"""Wrong settings, each with an id, what is wrong, and what to do. An id is used once and never again.

Those tagged `database` need a connection and run with `manage.py check --database default` and `migrate`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import django
from django.apps import apps
from django.conf import settings
from django.core import checks
from django.db import connections, router
from django.urls import NoReverseMatch, Resolver404, resolve, reverse
from django.utils.translation import gettext as _

from cmc_webhooks.conf import DEFAULTS, PREFIX, app_settings
from cmc_webhooks.models import Mail

if TYPE_CHECKING:
    from django.apps import AppConfig
    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["register"]

SECRETS = ("API_KEYS", "BASIC_AUTH", "BEARER_TOKENS")
SHORTEST_SECRET = 16
SHORTEST_RETENTION_DAYS = 60
RETENTION_KINDS = ("notifications", "rejected", "events", "mails", "personal")
OLDEST_MARIADB = (10, 11, 5)
POSTGRESQL_READ_COMMITTED = 2  # psycopg.IsolationLevel.READ_COMMITTED

Message = checks.CheckMessage


def register() -> None:
    """Make Django run the checks of this module."""
    checks.register(check_secrets, checks.Tags.security)
    checks.register(check_settings)
    checks.register(check_address, checks.Tags.urls)
    checks.register(check_database_settings)
    checks.register(check_databases, checks.Tags.database)


def check_secrets(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Message]:
    """E001 to W005: is there a secret, and can it be one?"""
    return list(_secrets())


def _secrets() -> Iterator[Message]:
    if not any(app_settings.raw(name) for name in SECRETS):
        if not app_settings.allow_unauthenticated:
            yield _error(
                "E001",
                _("No secret is configured: every notification is refused with 403."),
                _(
                    "Set CMC_WEBHOOKS_API_KEYS, CMC_WEBHOOKS_BASIC_AUTH or CMC_WEBHOOKS_BEARER_TOKENS to a "
                    "list of secrets; for local work only, set CMC_WEBHOOKS_ALLOW_UNAUTHENTICATED = True."
                ),
            )
        elif not settings.DEBUG:
            yield _warning(
                "W005",
                _("Whoever finds the address of the webhook can write to the history."),
                _("Configure a secret and remove CMC_WEBHOOKS_ALLOW_UNAUTHENTICATED."),
            )
    for name in SECRETS:
        value = app_settings.raw(name)
        if not _is_list(value) or not all(isinstance(secret, str) and secret for secret in value):
            yield _error(
                "E002",
                _("%s is not a list of texts, or one of them is empty.") % f"{PREFIX}{name}",
                _('Write %s = ["..."]; an unset environment variable must not become "".')
                % f"{PREFIX}{name}",
            )
            continue
        if name == "BASIC_AUTH" and not all(":" in secret for secret in value):
            yield _error(
                "E003",
                _("An entry of CMC_WEBHOOKS_BASIC_AUTH has no colon."),
                _('Write each as "user:password".'),
            )
        if any(len(secret) < SHORTEST_SECRET or not secret.isascii() for secret in value):
            yield _warning(
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
            yield _error(
                "E006", _("There is no setting %s.") % name, _("See the README's table of settings.")
            )
    for name in ("ALLOW_UNAUTHENTICATED", "STORE_SUBJECT"):
        if not isinstance(app_settings.raw(name), bool):
            yield _error(
                "E007", _("%s is neither True nor False.") % f"{PREFIX}{name}", _("Write one of them.")
            )
    for name, least in (("MAX_BODY", 1), ("MAX_EVENTS", 1), ("TRUSTED_PROXIES", 0)):
        if not _is_integer(app_settings.raw(name), least):
            yield _error(
                "E008",
                _("%(setting)s is not an integer of at least %(number)d.")
                % {"setting": f"{PREFIX}{name}", "number": least},
                _("Write a number."),
            )
    if not _is_zone(app_settings.raw("TIME_ZONE")):
        yield _error(
            "E009",
            _("CMC_WEBHOOKS_TIME_ZONE is no time zone."),
            _('Write the zone chosen for the webhook in the console by its IANA name, such as "Asia/Tokyo".'),
        )
    if app_settings.raw("DISPATCH") == "deferred":
        yield from _workers()
    elif not _is_wake_up():
        yield _error(
            "E010",
            _('CMC_WEBHOOKS_DISPATCH is neither "inline" nor "deferred" nor the dotted path of a callable.'),
            _("Inline: the request sends the signals after its commit. Otherwise a worker does."),
        )
    yield from _networks()
    yield from _retention()


def _workers() -> Iterator[Message]:
    if django.VERSION < (6, 0) and not apps.is_installed("django_tasks"):
        yield _error(
            "E022",
            _('CMC_WEBHOOKS_DISPATCH is "deferred", but there are no tasks.'),
            _('Install django-cmc-webhooks[tasks] and add "django_tasks" to INSTALLED_APPS.'),
        )
        return
    backends = getattr(settings, "TASKS", None) or {}
    backend = str(backends.get("default", {}).get("BACKEND", "immediate"))
    if "immediate" in backend or "dummy" in backend:
        yield _warning(
            "W023",
            _('CMC_WEBHOOKS_DISPATCH is "deferred", but the task backend has no workers.'),
            _("Set TASKS to a backend with workers, such as django_tasks_db.DatabaseBackend."),
        )


def _networks() -> Iterator[Message]:
    networks = app_settings.raw("ALLOWED_NETWORKS")
    if networks is None:
        return
    if not _is_list(networks) or not networks or not all(_is_network(network) for network in networks):
        yield _error(
            "E011",
            _("CMC_WEBHOOKS_ALLOWED_NETWORKS is not a list of networks."),
            _('Write None, or networks such as ["192.0.2.0/24"].'),
        )
    behind_proxy = settings.SECURE_PROXY_SSL_HEADER or settings.USE_X_FORWARDED_HOST
    if behind_proxy and app_settings.raw("TRUSTED_PROXIES") == 0:
        yield _warning(
            "W012",
            _("The project stands behind a proxy, and the allow-list sees the proxy's address only."),
            _("Set CMC_WEBHOOKS_TRUSTED_PROXIES to the number of proxies that add to X-Forwarded-For."),
        )


def _retention() -> Iterator[Message]:
    retention = app_settings.raw("RETENTION")
    if not isinstance(retention, Mapping) or not all(
        kind in RETENTION_KINDS and _is_integer(days, 1) for kind, days in retention.items()
    ):
        yield _error(
            "E013",
            _("CMC_WEBHOOKS_RETENTION is not a dict of days by kind."),
            _("Kinds are %s; days are integers; a kind left out is kept.") % ", ".join(RETENTION_KINDS),
        )
    elif any(days < SHORTEST_RETENTION_DAYS for days in retention.values()):
        yield _warning(
            "W014",
            _("CMC_WEBHOOKS_RETENTION keeps something for less than %d days.") % SHORTEST_RETENTION_DAYS,
            _("CMC's console shows 40 days: a shorter history cannot be compared with it."),
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
        _warning(
            "W015",
            _("The webhook is not mounted, or not under both spellings of its address."),
            _('Write path("cmc/webhook", include("cmc_webhooks.urls")), without a slash at the end.'),
        )
    ]


def check_database_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Message]:
    """E016 to W019: is the database set up so that writers do not hinder each other? Nothing connects."""
    return list(_database_settings())


def _database_settings() -> Iterator[Message]:
    aliases = {router.db_for_write(model) for model in apps.get_app_config("cmc_webhooks").get_models()}
    if len(aliases) > 1:
        yield _error(
            "E016",
            _("The models of cmc_webhooks are written to several databases: %s.")
            % ", ".join(sorted(aliases)),
            _("Route the whole app label to one: an event and its signals are one transaction."),
        )
    connection = connections[router.db_for_write(Mail)]
    options = connection.settings_dict.get("OPTIONS") or {}
    if connection.vendor == "sqlite" and str(options.get("transaction_mode")).upper() != "IMMEDIATE":
        yield _warning(
            "W017",
            _("SQLite transactions do not begin with the write lock: rival writers fail at once."),
            _('Set "OPTIONS": {"transaction_mode": "IMMEDIATE"} for this database.'),
        )
    connects_anew = connection.settings_dict["CONN_MAX_AGE"] == 0 and not options.get("pool")
    if connection.vendor == "postgresql" and connects_anew:
        yield _warning(
            "W018",
            _("PostgreSQL is connected to anew for each request, which costs more than the request."),
            _('Set "CONN_MAX_AGE": 60, or "OPTIONS": {"pool": True}.'),
        )
    if not _is_read_committed(connection, options):
        yield _warning(
            "W019",
            _("The isolation level is not READ COMMITTED: rival notifications are tried again and again."),
            _('Remove "isolation_level" from this database\'s OPTIONS.'),
        )


def check_databases(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[Message]:
    """E020 and W021: what only the server can tell."""
    alias = router.db_for_write(Mail)
    connection: Any = connections[alias]
    if alias not in (databases or ()):
        return []
    messages: list[Message] = []
    if getattr(connection, "mysql_is_mariadb", False) and connection.mysql_version < OLDEST_MARIADB:
        messages.append(
            _error(
                "E020",
                _("MariaDB before 10.11.5 refuses or reorders the keys of events."),
                _("Use MariaDB 10.11.5 or newer."),
            )
        )
    if connection.vendor == "sqlite" and not connection.is_in_memory_db():
        with connection.cursor() as cursor:
            journal_mode = cursor.execute("PRAGMA journal_mode").fetchone()[0]
        if journal_mode != "wal":
            messages.append(
                _warning(
                    "W021",
                    _("SQLite is not in WAL mode: readers of the history block its writer."),
                    _('Set "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL"} for this database.'),
                )
            )
    return messages


def _is_wake_up() -> bool:
    try:
        return app_settings.wake_up is None or callable(app_settings.wake_up)
    except ImportError:
        return False


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset)


def _is_integer(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_network(value: Any) -> bool:
    try:
        ip_network(value, strict=False)
    except (ValueError, TypeError):
        return False
    return isinstance(value, str)


def _is_zone(value: Any) -> bool:
    try:
        ZoneInfo(value)
    except (OSError, ValueError, TypeError, AttributeError, LookupError):
        return False
    return True


def _is_read_committed(connection: BaseDatabaseWrapper, options: Mapping[str, Any]) -> bool:
    if connection.vendor not in ("postgresql", "mysql"):
        return True
    level = options.get("isolation_level", "read committed")
    if level == POSTGRESQL_READ_COMMITTED:
        return True
    return str(getattr(level, "name", level)).replace("_", " ").lower() == "read committed"


def _error(number: str, message: str, hint: str) -> Message:
    return checks.Error(message, hint=hint, id=f"cmc_webhooks.{number}")


def _warning(number: str, message: str, hint: str) -> Message:
    return checks.Warning(message, hint=hint, id=f"cmc_webhooks.{number}")
