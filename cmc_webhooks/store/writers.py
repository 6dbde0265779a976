"""The choice of the `BatchWriter` for a database: the fastest one that is correct there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connections

from cmc_webhooks.conf import app_settings
from cmc_webhooks.store import orm, postgresql, sql

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from cmc_webhooks.store.base import BatchWriter

__all__ = ["PORTABLE", "WRITERS", "writer_for"]

PORTABLE = orm.WRITER
_FAST: dict[str, BatchWriter] = {"postgresql": postgresql.WRITER, "sqlite": sql.SQLITE, "mysql": sql.MARIADB}
WRITERS: tuple[BatchWriter, ...] = (orm.WRITER, sql.SQLITE, sql.MARIADB, postgresql.WRITER)

_AS_WRITER = ("IMMEDIATE", "EXCLUSIVE")


def writer_for(using: str) -> BatchWriter:
    """Return the `BatchWriter` for batches in this database."""
    connection = connections[using]
    if not app_settings.raw_sql:
        return PORTABLE
    if connection.vendor == "sqlite" and not _begins_as_writer(connection):
        return PORTABLE
    if getattr(connection, "mysql_is_mariadb", None) is False:  # MySQL, which nothing here is tested on
        return PORTABLE
    return _FAST.get(connection.vendor, PORTABLE)


def _begins_as_writer(connection: BaseDatabaseWrapper) -> bool:
    # From the settings: the wrapper has no `transaction_mode` before its first connection
    options: dict[str, object] = connection.settings_dict.get("OPTIONS") or {}
    return str(options.get("transaction_mode")).upper() in _AS_WRITER
