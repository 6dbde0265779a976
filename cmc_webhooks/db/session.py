"""Prepend a statement to another on PostgreSQL, without an extra round trip where the driver can.

The driver that can is psycopg 3 with client-side binding of parameters, Django's default.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = [
    "SetLocalFirst",
    "avoid_table_scans",
    "discard_old_plans",
    "discourage_parallel_plans",
    "keep_join_order",
]

# Starting parallel workers takes longer than reading a page. With this setting they must save as much as
# reading 80 MB costs, instead of 8 MB.
# https://www.postgresql.org/docs/current/runtime-config-query.html
_FEW_ROWS = "SET LOCAL parallel_setup_cost = 10000"

# `jit` goes with it: compiling a plan that has to read a whole table nevertheless takes 60 ms.
_NO_TABLE_SCANS = "SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)"

PLAN_USES = 8
"""Transactions for which a connection keeps the plans of its foreign key checks."""
PLAN_SECONDS = 5.0
"""Time for which it keeps them, since other connections insert rows as well."""

_plans: WeakKeyDictionary[Any, tuple[int, float]] = WeakKeyDictionary()
"""For each connection of a driver, the uses of its plans, and when they were discarded."""


class SetLocalFirst:
    """An execute wrapper that runs another statement, such as a `SET LOCAL`, before the first one."""

    def __init__(self, statement: str) -> None:
        self._statement: str | None = statement

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if self._statement is None:
            return execute(sql, params, many, context)
        setting, self._statement = self._statement, None
        if many or not _takes_two(context["connection"]):
            execute(setting, None, False, context)
            return execute(sql, params, many, context)
        return _both(setting, execute, sql, params, context)


def discourage_parallel_plans(connection: BaseDatabaseWrapper) -> AbstractContextManager[None]:
    """Return a context manager in which PostgreSQL plans for the few rows of a page.

    It applies only where it needs no extra round trip and ends with the statement, so not in a transaction.
    """
    if connection.vendor != "postgresql":
        return nullcontext()
    return connection.execute_wrapper(_for_few_rows)


def avoid_table_scans(connection: BaseDatabaseWrapper) -> AbstractContextManager[None]:
    """Return a context manager in which PostgreSQL finds rows by indexes, whatever it knows of a table.

    It is for statements that look up rows by keys. Without statistics, a planner expects each key to have a
    two hundredth of all rows, and reads the table as a whole for some. In a transaction, this lasts to its
    end. It applies only where it needs no extra round trip.
    """
    if connection.vendor != "postgresql":
        return nullcontext()
    return connection.execute_wrapper(_by_index)


def discard_old_plans(connection: BaseDatabaseWrapper) -> AbstractContextManager[None]:
    """Return a context manager in which old plans of the session are discarded before the first statement.

    PostgreSQL keeps the plan of each foreign key check. A plan made for an empty table, after
    VACUUM or ANALYZE, reads it as a whole, and does so while it grows. This needs no extra round trip.
    """
    if connection.vendor != "postgresql" or not _are_old(connection.connection):
        return nullcontext()
    return connection.execute_wrapper(SetLocalFirst("DISCARD PLANS"))


def keep_join_order(connection: BaseDatabaseWrapper) -> AbstractContextManager[None]:
    """Return a context manager in which MariaDB and SQLite read joined tables in the order of the query.

    Their planners choose the order without regard to the rows that a page needs.
    https://mariadb.com/kb/en/index-hints-how-to-force-query-plans/, https://www.sqlite.org/optoverview.html.
    """
    if connection.vendor == "mysql":
        return connection.execute_wrapper(_straight)
    return connection.execute_wrapper(_crossed) if connection.vendor == "sqlite" else nullcontext()


def _straight(execute: Any, sql: str, *rest: Any) -> Any:
    return execute(sql.replace("SELECT ", "SELECT STRAIGHT_JOIN ", 1), *rest)


def _crossed(execute: Any, sql: str, *rest: Any) -> Any:
    return execute(sql.replace(" INNER JOIN ", " CROSS JOIN "), *rest)


def _are_old(raw: Any) -> bool:
    """Return whether the plans of this connection are old, and note one more use of them."""
    if raw is None:
        return False
    now = time.monotonic()
    uses, since = _plans.get(raw, (0, now))
    is_old = uses >= PLAN_USES or now - since >= PLAN_SECONDS
    _plans[raw] = (1, now) if is_old else (uses + 1, since)
    return is_old


def _by_index(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    is_streamed = hasattr(context["cursor"].cursor, "name")  # a cursor of the server takes one statement
    if many or is_streamed or not _takes_two(context["connection"]):
        return execute(sql, params, many, context)
    return _both(_NO_TABLE_SCANS, execute, sql, params, context)


def _for_few_rows(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    connection = context["connection"]
    if many or not connection.autocommit or not _takes_two(connection):  # no autocommit: in a transaction
        return execute(sql, params, many, context)
    return _both(_FEW_ROWS, execute, sql, params, context)


def _takes_two(connection: Any) -> bool:
    return hasattr(connection.connection, "pgconn") and not connection.features.uses_server_side_binding


def _both(setting: str, execute: Any, sql: str, params: Any, context: Any) -> Any:
    result = execute(f"{setting}; {sql}", params, False, context)
    context["cursor"].nextset()  # psycopg 3 is at the result of the first
    return result
