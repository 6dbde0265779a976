"""What a test fetches from the database: the longest value of any row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper


class Fetched:
    """The greatest number of characters (or bytes) of a value that was fetched."""

    longest = 0

    def look_at(self, rows: Any) -> Any:
        for row in rows or ():
            for value in row:
                if isinstance(value, str | bytes):
                    self.longest = max(self.longest, len(value))
        return rows


@contextmanager
def fetched() -> Iterator[Fetched]:
    """Look at each row that the cursors made inside the block return."""
    found = Fetched()

    class Cursor(CursorWrapper):
        def fetchone(self):
            row = self.cursor.fetchone()
            return row if row is None else found.look_at([row])[0]

        def fetchmany(self, *args):
            return found.look_at(self.cursor.fetchmany(*args))

        def fetchall(self):
            return found.look_at(self.cursor.fetchall())

        def __iter__(self):
            return (found.look_at([row])[0] for row in self.cursor)

    before = connection.make_cursor
    connection.make_cursor = lambda cursor: Cursor(cursor, connection)  # type: ignore[method-assign]
    try:
        yield found
    finally:
        connection.make_cursor = before  # type: ignore[method-assign]
