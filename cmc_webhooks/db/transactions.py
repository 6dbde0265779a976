"""Durable transactions: retried after a deadlock, with short lock waits and classified errors.

SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html. Error numbers:
https://mariadb.com/kb/en/mariadb-error-codes/. SQLite: https://www.sqlite.org/rescode.html.
"""

from __future__ import annotations

import logging
import random
import re
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connections,
    transaction,
)
from django.utils.translation import gettext_noop

from cmc_webhooks.db import connecting
from cmc_webhooks.db.session import SetLocalFirst

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = [
    "CONNECTION_REFUSED",
    "TABLES_MISSING",
    "TABLES_OUT_OF_DATE",
    "Unavailable",
    "Unstorable",
    "WrongSetup",
    "atomic",
    "described",
    "discard_connection",
    "end_unseen",
    "is_broken",
    "is_callers",
    "is_idle",
    "non_atomic",
    "run",
    "run_each",
    "savepoints",
    "setup_fault",
]

logger = logging.getLogger(__name__)

TRIES = 4
SECONDS_IN_ALL = 10
LOCK_SECONDS = 3
LONGEST_PAUSE = 1.0
SECONDS_TO_ANSWER = 0.5
"""Time that is kept for the last attempt and for the answer."""

_POSTGRESQL_AGAIN = ("40001", "40P01", "55P03", "23505", "08", "57P")
_POSTGRESQL_LOST = ("08", "57P")
_MARIADB_AGAIN = {1020, 1040, 1062, 1180, 1205, 1213}
# The server shuts down, ends the connection or (Galera) has left its cluster; errors of the client library
_MARIADB_LOST = {1047, 1053, 1927, *range(2000, 3000)}
# Galera refused a transaction in COMMIT: it is retried on a new connection, which may be to another node
_MARIADB_ANEW = {1047, 1180}
_MARIADB_DATA = {1264, 1265, 1292, 1366, 1406, 3140, 4025, 22032}
_POSTGRESQL_REFUSED = ("28", "3D")
_MARIADB_REFUSED = {1044, 1045, 1049, 1130, 1698}
# libpq reports an error of connecting without its SQLSTATE, so its words must do. A server whose messages
# are not in English is taken for one that is unavailable.
_REFUSED_IN_WORDS = re.compile(
    r"FATAL: +\S+ authentication failed for user|FATAL: +no pg_hba\.conf entry"
    r"|FATAL: +pg_hba\.conf rejects|FATAL: +(role|database) \".*\" (does not exist|is not permitted)"
    r"|FATAL: +no such (user|database)|no password supplied"
)
_SQLITE_AGAIN = {5, 6, 1555, 2067, 2579}
_REFUSED_BY_TRIGGER = {"P0001", 1644}
"""What a trigger raises to refuse a statement: RAISE EXCEPTION on PostgreSQL, SIGNAL on MariaDB."""
_POSTGRESQL_IDLE = 0  # libpq, PQTRANS_IDLE

_TABLES = "cmc_webhooks_"
_NO_TABLE, _NO_COLUMN = {"42P01", 1146}, {"42703", 1054}
TABLES_MISSING = gettext_noop("The tables of cmc_webhooks are missing: run manage.py migrate.")
CONNECTION_REFUSED = gettext_noop(
    "The database refuses the connection: check NAME, USER and PASSWORD of the setting DATABASES."
)
TABLES_OUT_OF_DATE = gettext_noop("The tables of cmc_webhooks are out of date: run manage.py migrate.")

Result = TypeVar("Result")
Key = TypeVar("Key")
View = TypeVar("View", bound="Callable[..., Any]")


class Unavailable(Exception):
    """The database is temporarily unavailable. Nothing was stored, unless the connection broke in COMMIT."""


class WrongSetup(Unavailable):
    """The set-up is wrong, and no later attempt helps. Nothing was stored. The message says what to do."""


class Unstorable(Exception):
    """The database cannot store this data, and a retry would not help. Nothing was stored."""


def run(using: str, work: Callable[[], Result]) -> Result:
    """Return what `work` returns, retrying it after transient errors.

    There are at most 4 attempts. A lost connection, or a database that is starting up, does not count as one:
    the next attempt uses a new connection, outside any pool. No retry begins that would end after 10 seconds
    if it took as long as the attempt before. `work` may open a transaction; a retry runs it from its start.

    Raises:
        Unavailable: the database is unavailable, or the error persisted through the retries.
        WrongSetup: the app's tables were not made, or the database refuses the connection.
        Unstorable: the data itself causes the error.
    """
    connection = connections[using]
    connector = connecting.Connector(connection)
    if is_callers(connection):
        work = transaction.atomic(using=using)(work)  # a savepoint: the caller may go on after the error
    try:
        return _attempt(connection, connector, work)
    finally:
        connector.close()


def _attempt(
    connection: BaseDatabaseWrapper, connector: connecting.Connector, work: Callable[[], Result]
) -> Result:
    first = began = time.monotonic()
    deadline = first + SECONDS_IN_ALL
    tries, pauses, paused = 1, 1, 0.0
    while True:
        try:
            result = work()
        except (DatabaseError, InterfaceError) as error:
            if fault := setup_fault(error):
                raise WrongSetup(fault) from error
            if not connection.in_atomic_block:  # in it, this would end the caller's transaction
                connection.close_if_unusable_or_obsolete()
            is_lost = _is_lost(connection, error)
            is_strange = not is_lost and _is_strange(connection, error, tries)
            now = max(time.monotonic(), first + paused)
            longest = min(0.05 * 2 ** min(pauses, 10), LONGEST_PAUSE)
            pause = random.uniform(longest / 5, longest)  # noqa: S311 - spreads writers
            in_time = now + pause + max(now - began, SECONDS_TO_ANSWER) < deadline
            again = is_lost or is_strange or _may_pass(connection, error)
            again = again and not getattr(connection, "needs_rollback", False)  # then the transaction is over
            if again and in_time and (is_lost or tries < TRIES):
                logger.info(
                    "Transient database error (%s), retrying",
                    described(error),
                    extra={"cmc_event": "database_retried", "error": described(error), "tries": pauses},
                )
                if is_lost or is_strange:
                    connector.bypass_pool()
                time.sleep(pause)
                tries, pauses, paused = tries + (not is_lost), pauses + 1, paused + pause
                began = now + pause
            elif _is_of_the_data(error):
                raise Unstorable(described(error)) from error
            else:
                raise Unavailable(described(error)) from error
        except (UnicodeError, OverflowError) as error:
            raise Unstorable(type(error).__name__) from error
        else:
            connector.succeeded()
            return result


def run_each(
    using: str,
    work: Callable[[list[Key]], int],
    keys: Sequence[Key],
    *,
    refused: Callable[[Key, Exception], Any],
) -> int:
    """Run `work` on these keys in one transaction. Return the sum of what it returns.

    If the database refuses a row, the keys are halved until that row is alone. It is passed to `refused`
    with the error, and the other rows are committed. A trigger refuses rows too.

    Raises:
        Unavailable: the database is unavailable. The transactions before are committed.
    """
    if not keys:
        return 0

    def transaction() -> int:
        with atomic(using):
            return work(list(keys))

    try:
        return run(using, transaction)
    except (Unavailable, Unstorable) as error:
        cause: Any = error.__cause__
        if isinstance(error, Unavailable) and not _is_refused_by_trigger(cause):
            raise
        if len(keys) == 1:
            refused(keys[0], cause or error)
            return 0
    half = len(keys) // 2
    return sum(run_each(using, work, part, refused=refused) for part in (keys[:half], keys[half:]))


@contextmanager
def atomic(using: str) -> Iterator[None]:
    """Open a transaction that is committed when the block ends.

    On PostgreSQL and MariaDB it waits at most 3 seconds for each lock.
    """
    connection = connections[using]
    with transaction.atomic(using=using, durable=True), _short_waits(connection):
        yield


@contextmanager
def savepoints(*, in_tests: bool = False) -> Iterator[None]:
    """Put the block in a savepoint of each open transaction, for a caller that catches the block's errors.

    On PostgreSQL an error would otherwise end the caller's transaction. Without an open transaction this does
    nothing. The transaction of Django's `TestCase` counts with `in_tests` only: it is no caller's. A caller
    must raise an error on if `is_broken()`.
    """
    with ExitStack() as stack:
        for connection in connections.all(initialized_only=True):
            if is_callers(connection) or (in_tests and connection.in_atomic_block):
                stack.enter_context(transaction.atomic(using=connection.alias))
        yield


def is_callers(connection: BaseDatabaseWrapper) -> bool:
    """Return True inside a transaction that was opened by a caller, not by Django's `TestCase`."""
    return connection.in_atomic_block and not getattr(connection.atomic_blocks[-1], "_from_testcase", False)


def is_broken() -> bool:
    """Return True if an error has ended an open transaction as a whole: a deadlock, or a lost connection."""
    opened = connections.all(initialized_only=True)
    return any(connection.in_atomic_block and connection.needs_rollback for connection in opened)


def is_idle(connection: BaseDatabaseWrapper) -> bool:
    """Return True if no transaction is open.

    On PostgreSQL and SQLite, a transaction that was not begun by Django is detected too.
    """
    raw: Any = connection.connection
    if connection.in_atomic_block or raw is None:
        return not connection.in_atomic_block
    if connection.vendor == "sqlite":
        return connection.autocommit and not raw.in_transaction
    if connection.vendor == "postgresql":
        driver = raw.pgconn if hasattr(raw, "pgconn") else raw.info  # psycopg 3, psycopg2
        return connection.autocommit and driver.transaction_status == _POSTGRESQL_IDLE
    return connection.autocommit


def end_unseen(connection: BaseDatabaseWrapper) -> None:
    """Roll back a transaction that was not begun by Django, where `is_idle` cannot detect it.

    MariaDB's and MySQL's driver does not know of it. One more round trip there, nothing elsewhere.
    """
    if connection.vendor != "mysql" or connection.connection is None or connection.in_atomic_block:
        return
    try:
        connection.rollback()
    except DatabaseError:  # the server has ended the transaction with the connection
        connection.close()


def discard_connection(connection: BaseDatabaseWrapper) -> None:
    """Roll back a transaction that other code left open, by closing the connection.

    The next statement opens a new connection.
    """
    connection.in_atomic_block = False
    connection.atomic_blocks.clear()
    connection.close()


def non_atomic(view: View) -> View:
    """Opt a view out of ATOMIC_REQUESTS for every database, so that a response means committed."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def setup_fault(error: BaseException) -> str:
    """Return what is wrong and what to do if the error is a mistake of the set-up, otherwise "".

    A table or a column of the app that does not exist is a forgotten `migrate`, not an outage. Neither is a
    user or a database that the server does not know.
    """
    if isinstance(error, WrongSetup):
        return str(error)
    if not isinstance(error, DatabaseError):
        return ""
    text = str(error)
    if _is_refused(error, text):
        return CONNECTION_REFUSED
    if _TABLES not in text:
        return ""
    number = _sqlstate(error) or _number(error)
    if number in _NO_TABLE or text.startswith("no such table"):
        return TABLES_MISSING
    if number in _NO_COLUMN or "no such column" in text or "has no column named" in text:
        return TABLES_OUT_OF_DATE
    return ""


def described(error: Exception) -> str:
    """Return the class and the code of an error, as in the message of `Unavailable`.

    The text of the error is left out, since it may quote the data.
    """
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
        with connection.execute_wrapper(SetLocalFirst(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")):
            yield
    elif getattr(connection, "mysql_is_mariadb", False):
        # MariaDB has no setting for one transaction: each statement carries it, the session is unchanged.
        prefix = f"SET STATEMENT innodb_lock_wait_timeout={LOCK_SECONDS} FOR "
        with connection.execute_wrapper(lambda execute, sql, *rest: execute(prefix + sql, *rest)):
            yield
    else:
        yield


def _is_lost(connection: BaseDatabaseWrapper, error: Exception) -> bool:
    """Return True if the connection was lost or could not be opened, as while the database restarts.

    There may be a new one by now: Django opens it when a rollback failed.
    """
    if connection.in_atomic_block:
        return False
    if connection.vendor == "mysql":
        number = _number(error)
        if number in _MARIADB_ANEW:
            connection.close()
        if isinstance(number, int):
            return number in _MARIADB_LOST
        return connection.connection is None
    if connection.vendor == "postgresql":
        if state := _sqlstate(error):
            return state.startswith(_POSTGRESQL_LOST)
        is_of_the_driver = error.__cause__ is not None and isinstance(
            error, OperationalError | InterfaceError
        )
        return is_of_the_driver or connection.connection is None
    return False


def _may_pass(connection: BaseDatabaseWrapper, error: Exception) -> bool:
    """Return True if the same statements may succeed later, as after two writers inserted one key."""
    if connection.vendor == "postgresql":
        return _sqlstate(error).startswith(_POSTGRESQL_AGAIN)
    if connection.vendor == "mysql":
        return _number(error) in _MARIADB_AGAIN | _MARIADB_LOST
    if connection.connection is None:
        return not isinstance(error, DataError)
    code = getattr(error.__cause__, "sqlite_errorcode", 0)
    return code in _SQLITE_AGAIN or code & 0xFF in _SQLITE_AGAIN


def _is_strange(connection: BaseDatabaseWrapper, error: Exception, tries: int) -> bool:
    """Return True if other code may have left the connection in a state that causes the error.

    The connection is then closed. This happens after the first attempt only.
    """
    if tries > 1 or connection.in_atomic_block or _is_of_the_data(error) or _may_pass(connection, error):
        return False
    connecting.discard(connection)
    return True


def _is_of_the_data(error: Exception) -> bool:
    return isinstance(error, DataError | IntegrityError) or _number(error) in _MARIADB_DATA


def _is_refused_by_trigger(error: Exception | None) -> bool:
    return error is not None and (_sqlstate(error) or _number(error)) in _REFUSED_BY_TRIGGER


def _is_refused(error: Exception, text: str) -> bool:
    """Return True if the server does not accept the database, the user or the password."""
    if state := _sqlstate(error):
        return state.startswith(_POSTGRESQL_REFUSED)
    number = _number(error)
    if isinstance(number, int):
        return number in _MARIADB_REFUSED
    return isinstance(error, OperationalError) and bool(_REFUSED_IN_WORDS.search(text))


def _sqlstate(error: Exception) -> str:
    return getattr(error.__cause__, "sqlstate", None) or ""


def _number(error: Exception) -> Any:
    return error.args[0] if error.args else None
