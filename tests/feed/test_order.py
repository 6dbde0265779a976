"""The order of the feed beside writers that are slow to commit, each with a connection of its own."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from uuid import uuid4

import pytest
from django.db import connection, connections

from cmc_webhooks import feed, ingest, models, wire
from cmc_webhooks.db import transactions
from cmc_webhooks.store import changes
from tests.conftest import delivery, in_every_writer, notification

pytestmark = pytest.mark.django_db(transaction=True)
by_several_writers = pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer")

SLOW, QUICK = "<slow@example.com>", "<quick@example.com>"


def receive(*message_ids, composition="pro"):
    """Receive events, of a composition of their own if no row that counts mails may be shared."""
    body = notification("deliveries", *map(delivery, message_ids))
    ingest.receive(wire.decode(body.replace(b'"pro"', b'"%b"' % composition.encode())))


def in_a_thread(work):
    def run():
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.fixture
def slow(monkeypatch):
    """A request that has written, and commits at the end of the block."""
    written, may_commit = threading.Event(), threading.Event()

    def wrap(write):
        def stalled(using, rows):
            write(using, rows)
            if threading.current_thread() is not threading.main_thread():
                written.set()
                assert may_commit.wait(30)

        return stalled

    in_every_writer(monkeypatch, "write", wrap)

    @contextmanager
    def begin():
        thread = in_a_thread(lambda: receive(SLOW, composition="slow"))
        assert written.wait(30)
        try:
            yield
        finally:
            may_commit.set()
            thread.join(30)

    return begin


@pytest.fixture(params=["read committed", "repeatable read"])
def isolation(request, monkeypatch):
    """The isolation of this test's own connection."""
    options = connection.settings_dict["OPTIONS"]
    levels = {"read committed": 2, "repeatable read": 3}  # psycopg.IsolationLevel
    level = levels[request.param] if connection.vendor == "postgresql" else request.param
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {**options, "isolation_level": level})
    yield
    connection.close()


@by_several_writers
class TestSlowWriter:
    def test_is_delivered_after_one_that_began_later(self, copy, slow):
        with slow():
            receive(QUICK)
            first = copy.follow()
        second = copy.follow()

        assert [(entry.seq, entry.row.message_id) for entry in first] == [(1, QUICK)]
        assert [(entry.seq, entry.row.message_id) for entry in second] == [(2, SLOW)]

    def test_is_missed_by_its_auto_increment(self, copy, slow):
        """The control: what the feed would be with ids for numbers."""
        ids = models.Change.objects.order_by("id").values_list("id", flat=True)
        with slow():
            receive(QUICK)
            [seen] = ids
        [missed] = ids.exclude(id=seen)

        assert missed < seen
        assert list(ids.filter(id__gt=seen)) == []

    @pytest.mark.parametrize("number", [1, 50, 500])
    def test_holds_up_no_reader_and_is_delivered_later(self, copy, slow, isolation, number, monkeypatch):
        monkeypatch.setattr(transactions, "LOCK_SECONDS", 1)
        monkeypatch.setattr(transactions, "SECONDS_IN_ALL", 1)
        keys = [uuid4() for _ in range(number)]
        with slow():
            with transactions.atomic("default"):
                changes.record("default", "mail", keys, "pro")
            first = copy.follow()
        second = copy.follow()

        assert [entry.key for entry in first] == keys
        assert [entry.row.message_id for entry in second] == [SLOW]


class TestNumbering:
    @by_several_writers
    def test_by_several_at_once_leaves_no_gap(self, copy, monkeypatch):
        monkeypatch.setattr(feed.numbering, "AT_ONCE", 7)
        failures = []

        def work(name):
            try:
                for number in range(15):
                    receive(*(f"<{name}-{number}-{each}@example.com>" for each in range(3)))
                    feed.number_changes()
            except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
                failures.append(error)

        threads = [in_a_thread(lambda name=name: work(name)) for name in range(4)]
        for thread in threads:
            thread.join(120)

        assert failures == []
        assert [entry.seq for entry in copy.follow()] == list(range(1, 181))
        assert set(copy.rows) == set(models.Mail.objects.values_list("pk", flat=True))


class TestRetention:
    def test_that_overtakes_a_reader_is_noticed(self, copy, monkeypatch):
        receive(*(f"<m{each}@example.com>" for each in range(4)))
        now = feed.state()
        with transactions.atomic("default"):
            changes.trim("default", models.Change.objects.filter(seq__lte=3).values_list("pk", flat=True))

        with pytest.raises(feed.Gone):
            feed.read(copy.cursor, now=now)
