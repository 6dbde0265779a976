"""A limit for the time that a statement may take, after which the database stops it."""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, connections, transaction

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["TooSlow", "time_limit"]

_STEPS = 1000
"""Steps of SQLite's virtual machine between two looks at the clock."""

# A shorter limit of the project's own holds.
_SET_LOCAL = """
    SELECT setting, set_config(
        name, CASE WHEN setting::int BETWEEN 1 AND %s THEN setting ELSE %s::text END, true
    ) FROM pg_settings WHERE name = 'statement_timeout'
"""


class TooSlow(Exception):
    """The database stopped a statement that took longer than it may. A transaction can go on."""


@contextmanager
def time_limit(using: str, seconds: float) -> Iterator[None]:
    """Stop each statement of the block that takes longer than this. Other statements have no new limit.

    It works inside a transaction and outside. On PostgreSQL, the block is a transaction or a savepoint. On
    MySQL and other databases there is no limit.

    Raises:
        TooSlow: a statement was stopped, or no time is left.
    """
    if seconds <= 0:
        raise TooSlow
    try:
        with _limited(connections[using], seconds):
            yield
    except DatabaseError as error:
        if _is_of_a_limit(error):
            raise TooSlow from error
        raise


def _limited(connection: BaseDatabaseWrapper, seconds: float) -> AbstractContextManager[None]:
    if connection.vendor == "postgresql":
        return _on_postgresql(connection, max(1, int(seconds * 1000)))
    if getattr(connection, "mysql_is_mariadb", False):
        prefix = f"SET STATEMENT max_statement_time={max(seconds, 0.001):.3f} FOR "
        return connection.execute_wrapper(lambda execute, sql, *rest: execute(prefix + sql, *rest))
    return _on_sqlite(connection, seconds) if connection.vendor == "sqlite" else nullcontext()


@contextmanager
def _on_postgresql(connection: BaseDatabaseWrapper, milliseconds: int) -> Iterator[None]:
    is_nested = connection.in_atomic_block
    with transaction.atomic(using=connection.alias):
        with connection.cursor() as cursor:
            cursor.execute(_SET_LOCAL, [milliseconds, milliseconds])
            before = int(cursor.fetchone()[0])
        yield
        if is_nested:  # SET LOCAL lasts to the end of the transaction, and is undone with a savepoint
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {before}")


@contextmanager
def _on_sqlite(connection: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    connection.ensure_connection()
    raw: Any = connection.connection
    end = time.monotonic() + seconds

    def anew(execute: Any, *statement: Any) -> Any:
        nonlocal end
        end = time.monotonic() + seconds
        return execute(*statement)

    raw.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    try:
        with connection.execute_wrapper(anew):
            yield
    finally:
        raw.set_progress_handler(None, 0)


def _is_of_a_limit(error: DatabaseError) -> bool:
    """Return True for query_canceled (PostgreSQL), ER_STATEMENT_TIMEOUT (MariaDB) and SQLITE_INTERRUPT."""
    cause: Any = error.__cause__
    if (
        getattr(cause, "sqlstate", None) == "57014"
        or getattr(cause, "sqlite_errorname", "") == "SQLITE_INTERRUPT"
    ):
        return True
    return bool(error.args) and error.args[0] == 1969
