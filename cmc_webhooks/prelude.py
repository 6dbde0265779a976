"""What PostgreSQL is told in front of a statement: on the same way to the server, where the driver can.

That is psycopg 3 where it puts the parameters into the statement itself, as Django has it by default.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["SetFirst", "few_rows"]

# Starting workers takes longer than a page: they must save as much as reading 80 MB costs, instead of 8 MB.
# https://www.postgresql.org/docs/current/runtime-config-query.html
_FEW_ROWS = "SET LOCAL parallel_setup_cost = 10000"


class SetFirst:
    """An execute wrapper that sets something for a transaction before its first statement."""

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


def few_rows(connection: BaseDatabaseWrapper) -> AbstractContextManager[None]:
    """PostgreSQL plans for the few rows of a page, where that costs no statement and outlasts none."""
    if connection.vendor != "postgresql":
        return nullcontext()
    return connection.execute_wrapper(_for_few_rows)


def _for_few_rows(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    connection = context["connection"]
    if many or not connection.autocommit or not _takes_two(connection):  # no autocommit: in a transaction
        return execute(sql, params, many, context)
    return _both(_FEW_ROWS, execute, sql, params, context)


def _takes_two(connection: Any) -> bool:
    return hasattr(connection.connection, "pgconn") and not connection.features.uses_server_side_binding


def _both(setting: str, execute: Any, sql: str, params: Any, context: Any) -> Any:
    result = execute(f"{setting}; {sql}", params, False, context)
    context["cursor"].nextset()  # psycopg 3 stands at the answer to the first
    return result
