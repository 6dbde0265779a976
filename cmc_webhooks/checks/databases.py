"""Is the database set up so that writers do not hinder each other?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import connections, router
from django.utils.translation import gettext as _

from cmc_webhooks.checks.messages import Message, error, warning
from cmc_webhooks.models import Mail

if TYPE_CHECKING:
    from django.apps import AppConfig
    from django.db.backends.base.base import BaseDatabaseWrapper

OLDEST_MARIADB = (10, 11, 5)
POSTGRESQL_READ_COMMITTED = 2  # psycopg.IsolationLevel.READ_COMMITTED


def check_database_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Message]:
    """E016 to W019: is the database set up so that writers do not hinder each other? Nothing connects."""
    return list(_database_settings())


def _database_settings() -> Iterator[Message]:
    aliases = {router.db_for_write(model) for model in apps.get_app_config("cmc_webhooks").get_models()}
    if len(aliases) > 1:
        yield error(
            "E016",
            _("The models of cmc_webhooks are written to several databases: %s.")
            % ", ".join(sorted(aliases)),
            _("Route the whole app label to one: an event and its signals are one transaction."),
        )
    connection = connections[router.db_for_write(Mail)]
    options = connection.settings_dict.get("OPTIONS") or {}
    if connection.vendor == "sqlite" and str(options.get("transaction_mode")).upper() != "IMMEDIATE":
        yield warning(
            "W017",
            _("SQLite transactions do not begin with the write lock: rival writers fail at once."),
            _('Set "OPTIONS": {"transaction_mode": "IMMEDIATE"} for this database.'),
        )
    connects_anew = connection.settings_dict["CONN_MAX_AGE"] == 0 and not options.get("pool")
    if connection.vendor == "postgresql" and connects_anew:
        yield warning(
            "W018",
            _("PostgreSQL is connected to anew for each request, which costs more than the request."),
            _('Set "CONN_MAX_AGE": 60, or "OPTIONS": {"pool": True}.'),
        )
    if not _is_read_committed(connection, options):
        yield warning(
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
            error(
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
                warning(
                    "W021",
                    _("SQLite is not in WAL mode: readers of the history block its writer."),
                    _('Set "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL"} for this database.'),
                )
            )
    return messages


def _is_read_committed(connection: BaseDatabaseWrapper, options: Mapping[str, Any]) -> bool:
    if connection.vendor not in ("postgresql", "mysql"):
        return True
    level = options.get("isolation_level", "read committed")
    if level == POSTGRESQL_READ_COMMITTED:
        return True
    return str(getattr(level, "name", level)).replace("_", " ").lower() == "read committed"
