"""Opening connections within a time limit, and past a pool whose connections are dead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["CONNECT_SECONDS", "Connector", "discard"]

CONNECT_SECONDS = 3
"""Longest wait for a new connection, or for one from a pool."""

SECONDS_AFTER_FAILURE = 0.2
"""Longest wait for a pool that had no connection, or a dead one, the last time."""

_DRIVERS = ("psycopg", "psycopg2", "MySQLdb", "pymysql")
"""Drivers that have the option `connect_timeout`. Without it they wait minutes for a host that is silent."""

_failed_pools: set[str] = set()
"""Aliases whose pool failed the process last. After an outage a pool may not connect for minutes."""


class Connector:
    """Limits how long the connection of one alias waits for a server or a pool, until `close`.

    Django itself opens the connection, also in the middle of an attempt: after a rollback that failed.
    """

    def __init__(self, connection: Any) -> None:
        self._connection: Any = connection
        self._settings: dict[str, Any] | None = None
        self._pools: Any = None
        self._is_bypassed = False
        if getattr(getattr(connection, "Database", None), "__name__", "") not in _DRIVERS:
            return  # SQLite, and the stand-ins of tests
        self._settings = connection.settings_dict
        self._pools = vars(connection).get("_connection_pools")
        if _pool_options(connection):
            # Django calls `getconn` without a time limit; that of the pool is shared with the whole project
            self._connection._connection_pools = {connection.alias: _Impatient(connection)}
        connection.settings_dict = _with_time_limit(self._settings)

    def bypass_pool(self) -> None:
        """Open connections outside the pool from now on, since all its idle ones may be dead.

        If they are in use instead, this is one connection more than the pool allows.
        """
        connection = self._connection
        if not self._is_bypassed and _pool_options(connection) and connection.connection is None:
            self._is_bypassed = True
            options = {**connection.settings_dict["OPTIONS"], "pool": None}
            connection.settings_dict = {**connection.settings_dict, "OPTIONS": options}
            _failed_pools.add(connection.alias)

    def succeeded(self) -> None:
        """Note that an attempt succeeded: if it used the pool, the pool works."""
        if _failed_pools and not self._is_bypassed:
            _failed_pools.discard(self._connection.alias)

    def close(self) -> None:
        """End the limits. A connection that was opened outside the pool is closed."""
        if self._settings is None:
            return
        if self._is_bypassed:
            self._connection.close()
        if _pool_options(self._connection) or self._is_bypassed:
            del self._connection._connection_pools
            if self._pools is not None:
                self._connection._connection_pools = self._pools
        self._connection.settings_dict = self._settings


def discard(connection: Any) -> None:
    """Close the connection for good: a pool replaces it instead of handing it out again."""
    raw: Any = connection.connection
    if raw is not None and _pool_options(connection):
        raw.close()
    connection.close()


def _pool_options(connection: BaseDatabaseWrapper) -> Any:
    """Return the project's options for a pool of connections; something false if there is none."""
    settings: dict[str, Any] = getattr(connection, "settings_dict", {})
    return (settings.get("OPTIONS") or {}).get("pool") if connection.vendor == "postgresql" else None


def _with_time_limit(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings with a time limit for connecting. A shorter one of the project is kept."""
    options = settings.get("OPTIONS") or {}
    own = int(options.get("connect_timeout") or CONNECT_SECONDS)
    limit = min(own, CONNECT_SECONDS) if own > 0 else CONNECT_SECONDS
    return {**settings, "OPTIONS": {**options, "connect_timeout": limit}}


class _Impatient:
    """The pool of a connection, for one thread, with a shorter wait for a connection."""

    def __init__(self, connection: Any) -> None:
        self._alias, self._pool = connection.alias, connection.pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def getconn(self, timeout: float | None = None) -> Any:
        longest = SECONDS_AFTER_FAILURE if self._alias in _failed_pools else CONNECT_SECONDS
        return self._pool.getconn(timeout=min(longest, self._pool.timeout))
