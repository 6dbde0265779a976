"""All writes: sets of rows, sorted by key, so that rival batches queue up instead of deadlocking.

`ignore_conflicts` is not used: it deadlocks MariaDB, drops rows with any error on SQLite and cuts text on
MariaDB. Raw SQL stands here and nowhere else.

A batch is stored by a `Way`: `portable` by the ORM, the reference, or one that is as fast as its database
allows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connections

from cmc_webhooks.conf import app_settings
from cmc_webhooks.store import plain, portable, postgresql, told
from cmc_webhooks.store.counted import count, replace_domain_counts, take_counts, take_domain_counts
from cmc_webhooks.store.outbox import claim, forget, owe, settle
from cmc_webhooks.store.portable import lock_mails, update_mails
from cmc_webhooks.store.rejections import MAX_OPEN_REJECTIONS, reject, resolve
from cmc_webhooks.store.removal import (
    BLANKED,
    blank_blocks,
    blank_mails,
    blank_rejections,
    blank_texts,
    remove,
    remove_mails,
)
from cmc_webhooks.store.sets import alias, insert, insert_plainly, known_keys
from cmc_webhooks.store.suppressions import blank_decision, decide, forget_decision
from cmc_webhooks.store.told import told_of
from cmc_webhooks.store.ways import Raced, Way

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = [
    "BLANKED",
    "MAX_OPEN_REJECTIONS",
    "PORTABLE",
    "WAYS",
    "Raced",
    "Way",
    "alias",
    "blank_blocks",
    "blank_decision",
    "blank_mails",
    "blank_rejections",
    "blank_texts",
    "claim",
    "count",
    "decide",
    "forget",
    "forget_decision",
    "insert",
    "insert_plainly",
    "known_keys",
    "lock_mails",
    "owe",
    "reject",
    "remove",
    "remove_mails",
    "replace_domain_counts",
    "resolve",
    "settle",
    "take_counts",
    "take_domain_counts",
    "told",
    "told_of",
    "update_mails",
    "way",
]

PORTABLE = portable.WAY
_FAST: dict[str, Way] = {"postgresql": postgresql.WAY, "sqlite": plain.SQLITE, "mysql": plain.MARIADB}
WAYS: tuple[Way, ...] = (portable.WAY, plain.SQLITE, plain.MARIADB, postgresql.WAY)

_AS_WRITER = ("IMMEDIATE", "EXCLUSIVE")


def way(using: str) -> Way:
    """How batches are stored in this database: the fastest way that is right there."""
    connection = connections[using]
    if not app_settings.raw_sql:
        return PORTABLE
    if connection.vendor == "sqlite" and not _begins_as_writer(connection):
        return PORTABLE
    return _FAST.get(connection.vendor, PORTABLE)


def _begins_as_writer(connection: BaseDatabaseWrapper) -> bool:
    # From the settings: the wrapper's own `transaction_mode` is not there before its first connection
    options: dict[str, object] = connection.settings_dict.get("OPTIONS") or {}
    return str(options.get("transaction_mode")).upper() in _AS_WRITER
