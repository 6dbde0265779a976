"""Processes of the change feed's experiment: `python -m tests.faults.feed ROLE FOLDER SEED`.

A writer ends when the folder has a file `stop`. A copy ends when it has a file `end` and nothing follows.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
from django.db import OperationalError

if __name__ == "__main__":
    django.setup()

from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from cmc_webhooks import erasure, feed, retention, suppression
from cmc_webhooks.db import transactions
from cmc_webhooks.models import BlockEvent, Mail, Suppression
from cmc_webhooks.reprocessing import rebuild
from cmc_webhooks.store import writers
from cmc_webhooks.testing import block, bounce, delivery, notification

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Row = tuple[str, Any]

ADDRESSES = [f"user{number}@example.jp" for number in range(40)]
STALLED = 0.2
"""The share of the requests that wait inside their transaction before they commit."""


class Writer:
    """Posts through the webhook, and now and then does what support and maintenance do."""

    def __init__(self, dice: random.Random) -> None:
        self._dice, self._client = dice, Client()
        for way in writers.WRITERS:
            way.write = self._stalled(way.write)  # type: ignore[method-assign]

    def write(self) -> None:
        """Change some rows. What the database refuses for now is left out."""
        if self._dice.random() < 0.8:
            answer = self._client.generic("POST", reverse("cmc_webhooks:webhook"), *self._notification())
            assert answer.status_code in {200, 503}, answer.content
            return
        others = [self._decide, self._forget, self._erase, self._rebuild, self._prune, feed.number_changes]
        with suppress(transactions.Unavailable, OperationalError):
            self._dice.choice(others)()

    def _stalled(self, write: Any) -> Any:
        def stalled(*args: Any) -> None:
            write(*args)
            if self._dice.random() < STALLED:
                time.sleep(self._dice.uniform(0.02, 0.3))

        return stalled

    def _notification(self) -> Any:
        dice = self._dice
        values = {"created": f"2023-01-25 14:{dice.randrange(60):02}:00", "recipient": self._address()}
        kind = dice.choice(["deliveries", "deliveries", "bounces", "blocks"])
        if kind == "blocks":
            values["email"] = values.pop("recipient")
            return notification(kind, block(**values))
        known = Mail.objects.order_by("-created_at").values_list("message_id", flat=True)[:20]
        mails = {f"<{dice.randrange(2**40)}@example.com>", dice.choice([*known, "<first@example.com>"])}
        if kind == "bounces":
            return notification(kind, *(bounce(message_id=mail, **values) for mail in mails))
        values["status"] = dice.choice(["queued", "deferred", "succeeded", "failed"])
        return notification(kind, *(delivery(message_id=mail, **values) for mail in mails))

    def _address(self) -> str:
        return self._dice.choice(ADDRESSES)

    def _decide(self) -> None:
        self._dice.choice([suppression.block, suppression.release])(self._address())

    def _forget(self) -> None:
        suppression.forget(self._address())

    def _erase(self) -> None:
        erasure.erase(self._address())

    def _rebuild(self) -> None:
        wrong = Mail.objects.filter(pk__in=[*Mail.objects.values_list("pk", flat=True)[:3]])
        wrong.update(status="failed")
        rebuild.rebuild("default", wrong)

    def _prune(self) -> None:
        of_mails = datetime.now(UTC) - timedelta(seconds=3)
        of_events = datetime(2023, 1, 25, 5, self._dice.randrange(30), tzinfo=UTC)  # some minutes past 14:00
        kind = self._dice.choice(["mails", "personal", "events"])
        before = of_events if kind == "events" else of_mails
        retention.prune("default", kind, before, pace=retention.Pace(10, 0))


class Copy:
    """A copy in a file, with the cursor and the numbers of the changes that were delivered to it.

    It is kept as the documentation says: take the cursor, read the tables, then follow, and store each page
    together with its cursor.
    """

    def __init__(self, path: Path, dice: random.Random) -> None:
        self._dice = dice
        self._store = sqlite3.connect(path, isolation_level=None)
        self._store.executescript(
            "PRAGMA synchronous = OFF;"
            "CREATE TABLE IF NOT EXISTS place (name TEXT PRIMARY KEY, cursor TEXT);"
            "CREATE TABLE IF NOT EXISTS copied (key TEXT PRIMARY KEY, row TEXT);"
            "CREATE TABLE IF NOT EXISTS delivered (seq INTEGER PRIMARY KEY);"
        )

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def begin(self) -> None:
        """Make the first copy, unless it was made."""
        if self._cursor("last"):
            return
        cursor = self.head()
        rows = [*self.walk()]
        with self._transaction():
            self._write(rows)
            for name in ("first", "last"):
                self._store.execute("INSERT INTO place VALUES (?, ?)", [name, cursor])

    def follow(self) -> bool:
        """Copy one page. Return whether more follows."""
        changes, cursor, more = self.read(self._cursor("last"), self._dice.randint(1, 50))
        with self._transaction():
            self._write([row for _, row in changes])
            self._store.executemany(
                "INSERT OR IGNORE INTO delivered VALUES (?)", [(seq,) for seq, _ in changes]
            )
            self._store.execute("UPDATE place SET cursor = ? WHERE name = 'last'", [cursor])
        return more

    def rows(self) -> dict[str, Any]:
        """Return what was copied, by key."""
        return {key: json.loads(row) for key, row in self._store.execute("SELECT key, row FROM copied")}

    def missed(self, end: int) -> set[int]:
        """Return the numbers from the first cursor up to `end` that were not delivered."""
        delivered = {seq for (seq,) in self._store.execute("SELECT seq FROM delivered")}
        return {*range(feed.Cursor.parse(self._cursor("first")).seq + 1, end + 1)} - delivered

    def _cursor(self, name: str) -> str:
        found = self._store.execute("SELECT cursor FROM place WHERE name = ?", [name]).fetchone()
        return found[0] if found else ""

    def _transaction(self) -> Any:
        self._store.execute("BEGIN")
        return self._store  # commits at the end of a block

    def _write(self, rows: Iterable[Row]) -> None:
        for key, row in rows:
            if row is None:
                self._store.execute("DELETE FROM copied WHERE key = ?", [key])
            else:
                self._store.execute("REPLACE INTO copied VALUES (?, ?)", [key, json.dumps(row)])

    def head(self) -> str:
        """Return the cursor at the end of the feed."""
        raise NotImplementedError

    def walk(self) -> Iterator[Row]:
        """Yield each row of the tables with its key."""
        raise NotImplementedError

    def read(self, cursor: str, size: int) -> tuple[list[tuple[int, Row]], str, bool]:
        """Return the changes after a cursor with their numbers, the next cursor, and whether more follow."""
        raise NotImplementedError


class PythonCopy(Copy):
    """A copy of all mails, block events and decisions, by Python."""

    def head(self) -> str:
        return feed.head()

    def walk(self) -> Iterator[Row]:
        for model in (Mail, BlockEvent, Suppression):
            for row in model._default_manager.all():
                yield row.pk.hex, self._values(row)

    def read(self, cursor: str, size: int) -> tuple[list[tuple[int, Row]], str, bool]:
        page = feed.read(cursor, limit=size)
        found = [(each.seq, (each.key.hex, each.row and self._values(each.row))) for each in page.entries]
        return found, page.cursor, page.more

    def _values(self, row: Any) -> dict[str, str]:
        return {field.attname: str(getattr(row, field.attname)) for field in row._meta.concrete_fields}


class ApiCopy(Copy):
    """A copy of all mails and block events, by the API, which has no list of decisions."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._client = Client()
        self._client.force_login(get_user_model().objects.get(is_superuser=True))

    def head(self) -> str:
        return str(self._get(reverse("cmc_webhooks_api:change-list"))["cursor"])

    def walk(self) -> Iterator[Row]:
        for name in ("mail", "block-event"):
            url = reverse(f"cmc_webhooks_api:{name}-list")
            while url:
                page = self._get(url)
                yield from ((row["id"], row) for row in page["results"])
                url = page["next"]

    def read(self, cursor: str, size: int) -> tuple[list[tuple[int, Row]], str, bool]:
        page = self._get(reverse("cmc_webhooks_api:change-list"), {"after": cursor, "page_size": size})
        found = [(each["seq"], (each["key"], each["mail"] or each["block"])) for each in page["results"]]
        return found, page["cursor"], page["more"]

    def _get(self, url: str, parameters: Any = None) -> Any:
        answer = self._client.get(url, parameters)
        if answer.status_code == 503:
            raise transactions.Unavailable
        assert answer.status_code == 200, answer.content
        return answer.json()


COPIES: dict[str, type[Copy]] = {"python": PythonCopy, "api": ApiCopy}


def main(role: str, folder: Path, seed: str) -> None:
    """Be one of the processes."""
    dice = random.Random(seed)  # noqa: S311 - the same dice each time
    if role not in COPIES:
        writer = Writer(dice)
        while not (folder / "stop").exists():
            writer.write()
        return
    copy = COPIES[role](folder / role, dice)
    is_over = False
    while not is_over:
        is_last = (folder / "end").exists()
        with suppress(transactions.Unavailable):
            copy.begin()
            more = copy.follow()
            is_over = is_last and not more
            time.sleep(0 if more else 0.02)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
