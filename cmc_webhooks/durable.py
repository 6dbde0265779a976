"""One durable transaction: tried again after a deadlock, never waiting long, its errors told apart.

SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html. Error numbers:
https://mariadb.com/kb/en/mariadb-error-codes/. SQLite: https://www.sqlite.org/rescode.html.
"""

from __future__ import annotations

import logging
import random
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, connections, transaction

from cmc_webhooks.prelude import SetFirst

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = [
    "Unavailable",
    "Unstorable",
    "abandon",
    "atomic",
    "described",
    "is_idle",
    "outside_requests",
    "run",
]

logger = logging.getLogger(__name__)

TRIES = 4
SECONDS_IN_ALL = 10
LOCK_SECONDS = 3

_POSTGRESQL_AGAIN = ("40001", "40P01", "55P03", "23505", "08", "57P")
_MARIADB_AGAIN = {1020, 1062, 1205, 1213, 1053, 1927, 2006, 2013, 2055}
_MARIADB_DATA = {1264, 1265, 1292, 1366, 1406, 3140, 4025, 22032}
_SQLITE_AGAIN = {5, 6}
_POSTGRESQL_IDLE = 0  # libpq, PQTRANS_IDLE

Result = TypeVar("Result")
View = TypeVar("View", bound="Callable[..., Any]")


class Unavailable(Exception):
    """The database does not take it now; nothing was stored."""


class Unstorable(Exception):
    """The database will never take this data; nothing was stored."""


def run(using: str, work: Callable[[], Result]) -> Result:
    """What `work` returns, after as many tries as passing faults need: 4 of them, 10 seconds in all.

    `work` may open a transaction; it runs again from its start.

    Raises:
        Unavailable: the fault did not pass.
        Unstorable: the data itself is at fault.
    """
    connection = connections[using]
    deadline = time.monotonic() + SECONDS_IN_ALL
    for tries in range(1, TRIES + 1):
        try:
            return work()
        except (DatabaseError, InterfaceError) as error:
            connection.close_if_unusable_or_obsolete()
            last = tries == TRIES or time.monotonic() >= deadline
            if (_may_pass(connection, error) or _is_strange(connection, error, tries)) and not last:
                logger.info(
                    "The database gave way (%s), trying again",
                    described(error),
                    extra={"cmc_event": "database_retried", "error": described(error), "tries": tries},
                )
                time.sleep(random.uniform(0.01, 0.05) * 2**tries)  # noqa: S311 - spreads rivals
            elif _is_of_the_data(error):
                raise Unstorable(described(error)) from error
            else:
                raise Unavailable(described(error)) from error
        except (UnicodeError, OverflowError) as error:
            raise Unstorable(type(error).__name__) from error
    raise AssertionError("unreachable")


@contextmanager
def atomic(using: str) -> Iterator[None]:
    """A transaction that is committed when it ends, and that waits for each lock at most 3 seconds."""
    connection = connections[using]
    with transaction.atomic(using=using, durable=True), _short_waits(connection):
        yield


def is_idle(connection: BaseDatabaseWrapper) -> bool:
    """Whether no transaction is open; one begun behind Django's back is seen on PostgreSQL and SQLite."""
    raw: Any = connection.connection
    if connection.in_atomic_block or raw is None:
        return not connection.in_atomic_block
    if connection.vendor == "sqlite":
        return connection.autocommit and not raw.in_transaction
    if connection.vendor == "postgresql":
        driver = raw.pgconn if hasattr(raw, "pgconn") else raw.info  # psycopg 3, psycopg2
        return connection.autocommit and driver.transaction_status == _POSTGRESQL_IDLE
    return connection.autocommit


def abandon(connection: BaseDatabaseWrapper) -> None:
    """Roll back what others left open, by closing the connection; the next statement opens a new one."""
    connection.in_atomic_block = False
    connection.atomic_blocks.clear()
    connection.close()


def outside_requests(view: View) -> View:
    """Opt a view out of ATOMIC_REQUESTS for every database, so that an answer means committed."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def described(error: Exception) -> str:
    """The error's class and number, as `Unavailable` has them. Never its text, which may quote the data."""
    if isinstance(error, Unavailable):
        return str(error)
    cause: Any = error.__cause__
    number = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None)
    if number is None and isinstance(_number(error), int):
        number = _number(error)
    return f"{type(error).__name__} {number or ''}".rstrip()


@contextmanager
def _short_waits(connection: BaseDatabaseWrapper) -> Iterator[None]:
    if connection.vendor == "postgresql":
        with connection.execute_wrapper(SetFirst(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")):
            yield
    elif getattr(connection, "mysql_is_mariadb", False):
        # It has no setting for one transaction: each statement carries it, the session stays as it was.
        prefix = f"SET STATEMENT innodb_lock_wait_timeout={LOCK_SECONDS} FOR "
        with connection.execute_wrapper(lambda execute, sql, *rest: execute(prefix + sql, *rest)):
            yield
    else:
        yield


def _may_pass(connection: BaseDatabaseWrapper, error: Exception) -> bool:
    """Whether the same statements may succeed later. Two writers with one key are such a case."""
    if connection.connection is None:  # it was lost, and closed after the error
        return True
    cause: Any = error.__cause__
    if connection.vendor == "postgresql":
        return (getattr(cause, "sqlstate", None) or "").startswith(_POSTGRESQL_AGAIN)
    if connection.vendor == "mysql":
        return _number(error) in _MARIADB_AGAIN
    return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _SQLITE_AGAIN or isinstance(error, IntegrityError)


def _is_strange(connection: BaseDatabaseWrapper, error: Exception, tries: int) -> bool:
    """Whether others may have left the connection in a state that does it; then it is closed, once."""
    if tries > 1 or connection.in_atomic_block or _is_of_the_data(error):
        return False
    connection.close()
    return True


def _is_of_the_data(error: Exception) -> bool:
    return isinstance(error, DataError | IntegrityError) or _number(error) in _MARIADB_DATA


def _number(error: Exception) -> Any:
    return error.args[0] if error.args else None
