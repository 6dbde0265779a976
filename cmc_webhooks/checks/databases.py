"""Checks that the database is set up for concurrent writers."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.db import connections, router
from django.utils.translation import gettext as _

from cmc_webhooks.checks.helpers import Message, app_of, error, lacks_pool_package, warning
from cmc_webhooks.conf import app_settings
from cmc_webhooks.db import transactions
from cmc_webhooks.models import Mail

if TYPE_CHECKING:
    from django.apps import AppConfig
    from django.db.backends.base.base import BaseDatabaseWrapper

RECOMMENDED_POOL = '{"min_size": 2, "max_size": 4, "timeout": 3}'
POOL_SECONDS = 30  # the default of psycopg_pool
OLDEST_MARIADB = (10, 11, 5)
POSTGRESQL_READ_COMMITTED = 2  # psycopg.IsolationLevel.READ_COMMITTED


def check_database_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Message]:
    """Check the database settings that concurrent writers depend on, without connecting (E016 to W070)."""
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
            _("SQLite transactions do not begin with the write lock: concurrent writers fail at once."),
            _('Set "OPTIONS": {"transaction_mode": "IMMEDIATE"} for this database.'),
        )
    connects_anew = connection.settings_dict["CONN_MAX_AGE"] == 0 and not options.get("pool")
    if connection.vendor == "postgresql" and connects_anew:
        yield warning(
            "W018",
            _("A new PostgreSQL connection is opened for every request."),
            _('Set "CONN_MAX_AGE": 60, or "OPTIONS": {"pool": %s}.') % RECOMMENDED_POOL,
        )
    if connection.vendor == "postgresql" and _pool_wait(options.get("pool")) > transactions.SECONDS_IN_ALL:
        yield warning(
            "W070",
            _("A request may wait longer than %d seconds for a connection from the pool.")
            % transactions.SECONDS_IN_ALL,
            _('Set a "timeout", as in "OPTIONS": {"pool": %s}.') % RECOMMENDED_POOL,
        )
    if not _is_read_committed(connection, options):
        yield warning(
            "W019",
            _("The isolation level is not READ COMMITTED: concurrent notifications will be retried often."),
            _('Remove "isolation_level" from this database\'s OPTIONS.'),
        )


def check_databases(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[Message]:
    """Check what requires a connection: version and charset of MariaDB, MySQL, the journal mode of SQLite.

    These are E020, W071, W072 and W021.
    """
    alias = router.db_for_write(Mail)
    if alias not in (databases or ()) or lacks_pool_package(connections[alias]):
        return []
    return list(_connected(connections[alias]))


def check_tables(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[Message]:
    """Check that the tables exist, also those of deferred tasks (W081, W086).

    An error would stop `migrate`, which runs this too.
    """
    alias = router.db_for_write(Mail)
    if alias not in (databases or ()) or sys.argv[1:2] == ["migrate"]:
        return []
    connection = connections[alias]
    if lacks_pool_package(connection):
        return []
    tables = {model._meta.db_table for model in apps.get_app_config("cmc_webhooks").get_models()}
    with connection.cursor() as cursor:
        missing = tables - set(connection.introspection.table_names(cursor))
        of_tasks = _tables_of_tasks() - set(connection.introspection.table_names(cursor))
    messages = []
    if missing:
        messages.append(
            warning(
                "W081",
                _("The tables of cmc_webhooks are missing: run manage.py migrate."),
                _("Until then every notification is answered with 503."),
            )
        )
    if of_tasks:
        messages.append(
            warning(
                "W086",
                _("The tables of the task backend are missing: run manage.py migrate."),
                _("Until then signals wait for the next maintenance."),
            )
        )
    return messages


def _tables_of_tasks() -> set[str]:
    """Return the tables of the app whose backend TASKS names, if signals are deferred to it."""
    backends = getattr(settings, "TASKS", None) or {}
    app = app_of(str(backends.get("default", {}).get("BACKEND", "")))
    if app_settings.raw("DISPATCH") != "deferred" or not app:
        return set()
    found = [each for each in apps.get_app_configs() if each.name == app]
    return {model._meta.db_table for each in found for model in each.get_models()}


def _connected(connection: Any) -> Iterator[Message]:
    if getattr(connection, "mysql_is_mariadb", False) and connection.mysql_version < OLDEST_MARIADB:
        yield error(
            "E020",
            _("MariaDB before 10.11.5 refuses or reorders the keys of events."),
            _("Use MariaDB 10.11.5 or newer."),
        )
    elif getattr(connection, "mysql_is_mariadb", None) is False:
        yield warning(
            "W072",
            _("cmc_webhooks is not tested on MySQL. The statements of the ORM are used, which are slower."),
            _("Use MariaDB 10.11.5 or newer, or PostgreSQL."),
        )
    elif connection.vendor == "mysql" and (tables := _tables_without_utf8mb4(connection)):
        yield warning(
            "W071",
            _("The charset of these tables cannot store every character: %s.") % ", ".join(tables),
            _("Run ALTER TABLE ... CONVERT TO CHARACTER SET utf8mb4 for each of them."),
        )
    if connection.vendor == "sqlite" and not connection.is_in_memory_db():
        with connection.cursor() as cursor:
            journal_mode = cursor.execute("PRAGMA journal_mode").fetchone()[0]
        if journal_mode != "wal":
            yield warning(
                "W021",
                _("SQLite is not in WAL mode: readers of the history block its writer."),
                _('Set "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL"} for this database.'),
            )


def _tables_without_utf8mb4(connection: Any) -> list[str]:
    """Return the app's tables that have a text column in another charset, such as MySQL's 3-byte one."""
    tables = [model._meta.db_table for model in apps.get_app_config("cmc_webhooks").get_models()]
    sql = (
        "SELECT DISTINCT table_name FROM information_schema.columns WHERE table_schema = DATABASE()"
        " AND character_set_name NOT IN ('utf8mb4', 'ascii') AND table_name IN ({places}) ORDER BY table_name"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql.format(places=", ".join(["%s"] * len(tables))), tables)
        return [table for (table,) in cursor.fetchall()]


def _pool_wait(options: Any) -> float:
    """Return the seconds that a request may wait for a connection from the pool; 0 without a pool."""
    if not options:
        return 0
    seconds = options.get("timeout", POOL_SECONDS) if isinstance(options, Mapping) else POOL_SECONDS
    return float(seconds) if isinstance(seconds, int | float) else 0


def _is_read_committed(connection: BaseDatabaseWrapper, options: Mapping[str, Any]) -> bool:
    if connection.vendor not in ("postgresql", "mysql"):
        return True
    level = options.get("isolation_level", "read committed")
    if level == POSTGRESQL_READ_COMMITTED:
        return True
    return str(getattr(level, "name", level)).replace("_", " ").lower() == "read committed"
