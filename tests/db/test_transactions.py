from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from django.db import (
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    connection,
)
from django.test.utils import CaptureQueriesContext

from cmc_webhooks.db import transactions
from tests.helpers.factories import NotificationFactory

USING = "default"


class Cause(Exception):
    """What a driver raised."""

    def __init__(self, **facts):
        super().__init__()
        vars(self).update(facts)


def failing(error, times, **facts):
    """Work that fails so many times, then succeeds; and how often it was tried."""
    tries = []

    def work():
        tries.append(1)
        if len(tries) <= times:
            raise error from Cause(**facts)
        return "done"

    return work, tries


@pytest.fixture
def backend(monkeypatch, db):
    """Makes the connection look like another vendor's; its errors are read by vendor."""

    def become(vendor):
        monkeypatch.setattr(connection, "vendor", vendor)

    fake = SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: None)
    monkeypatch.setattr(transactions, "time", fake)
    return become


PASSING = [
    pytest.param("postgresql", OperationalError("x"), {"sqlstate": "40P01"}, id="PostgreSQL: deadlock"),
    pytest.param("postgresql", OperationalError("x"), {"sqlstate": "40001"}, id="PostgreSQL: serialisation"),
    pytest.param("postgresql", OperationalError("x"), {"sqlstate": "55P03"}, id="PostgreSQL: lock time-out"),
    pytest.param("postgresql", OperationalError("x"), {"sqlstate": "57P01"}, id="PostgreSQL: shut down"),
    pytest.param(
        "postgresql", IntegrityError("x"), {"sqlstate": "23505"}, id="PostgreSQL: rival with one key"
    ),
    pytest.param("mysql", OperationalError(1213, "x"), {}, id="MariaDB: deadlock"),
    pytest.param("mysql", OperationalError(1205, "x"), {}, id="MariaDB: lock time-out"),
    pytest.param("mysql", OperationalError(2006, "x"), {}, id="MariaDB: gone away"),
    pytest.param("mysql", IntegrityError(1062, "x"), {}, id="MariaDB: rival with one key"),
    pytest.param("mysql", OperationalError(1047, "x"), {}, id="Galera: the node has left its cluster"),
    pytest.param("mysql", OperationalError(1180, "x"), {}, id="Galera: refused in COMMIT"),
    pytest.param("sqlite", OperationalError("x"), {"sqlite_errorcode": 5}, id="SQLite: busy"),
    pytest.param("sqlite", OperationalError("x"), {"sqlite_errorcode": 517}, id="SQLite: busy snapshot"),
    pytest.param("sqlite", IntegrityError("x"), {"sqlite_errorcode": 1555}, id="SQLite: rival with one key"),
]
STRANGE = [
    pytest.param(
        "postgresql", ProgrammingError("x"), {"sqlstate": None}, id="PostgreSQL: left in a transaction"
    ),
    pytest.param("sqlite", OperationalError("x"), {"sqlite_errorcode": 1}, id="SQLite: BEGIN twice"),
    pytest.param("mysql", InterfaceError("x"), {}, id="MariaDB: closed by others"),
]
OF_THE_DATA = [
    pytest.param("postgresql", DataError("x"), {"sqlstate": "22001"}, id="PostgreSQL: too long"),
    pytest.param("mysql", OperationalError(1366, "x"), {}, id="MariaDB: letter that the charset lacks"),
    pytest.param("mysql", DataError(1406, "x"), {}, id="MariaDB: too long"),
    pytest.param("sqlite", OverflowError("x"), {}, id="any: integer too large"),
    pytest.param("sqlite", UnicodeError("x"), {}, id="any: half a surrogate pair"),
]
LASTING = [
    pytest.param("postgresql", ProgrammingError("x"), {"sqlstate": "42P01"}, id="PostgreSQL: no table"),
    pytest.param("postgresql", OperationalError("x"), {"sqlstate": "53100"}, id="PostgreSQL: disk full"),
    pytest.param("mysql", OperationalError(1114, "x"), {}, id="MariaDB: table full"),
    pytest.param("mysql", InterfaceError(), {}, id="MariaDB: no number"),
    pytest.param("sqlite", OperationalError("x"), {"sqlite_errorcode": 13}, id="SQLite: full"),
    pytest.param("sqlite", OperationalError("x"), {"sqlite_errorcode": 8}, id="SQLite: read-only"),
]


class TestRun:
    @pytest.mark.parametrize(("vendor", "error", "facts"), PASSING)
    def test_tries_again_what_may_pass(self, backend, vendor, error, facts):
        backend(vendor)
        work, tries = failing(error, 3, **facts)

        assert transactions.run(USING, work) == "done"
        assert len(tries) == 4

    @pytest.mark.parametrize(("vendor", "error", "facts"), OF_THE_DATA)
    def test_tells_when_the_data_is_at_fault(self, backend, vendor, error, facts):
        backend(vendor)
        work, tries = failing(error, 9, **facts)

        with pytest.raises(transactions.Unstorable):
            transactions.run(USING, work)
        assert len(tries) == 1

    @pytest.mark.parametrize(("vendor", "error", "facts"), STRANGE)
    def test_tries_once_more_with_a_new_connection(self, monkeypatch, vendor, error, facts):
        closed = []
        fake = SimpleNamespace(
            vendor=vendor,
            connection="usable",
            in_atomic_block=False,
            close=lambda: closed.append(True),
            close_if_unusable_or_obsolete=lambda: None,
        )
        monkeypatch.setattr(transactions, "connections", {USING: fake})
        once, tries_of_once = failing(error, 1, **facts)
        always, tries_of_always = failing(error, 9, **facts)

        answer = transactions.run(USING, once)
        with pytest.raises(transactions.Unavailable):
            transactions.run(USING, always)

        assert answer == "done"
        assert (len(tries_of_once), len(tries_of_always)) == (2, 2)
        assert closed == [True, True]

    @pytest.mark.parametrize("number", [1047, 1180])
    def test_retries_what_galera_refuses_on_a_new_connection(self, monkeypatch, number):
        fake = SimpleNamespace(vendor="mysql", connection="node 1", in_atomic_block=False)
        fake.close = lambda: setattr(fake, "connection", None)
        fake.close_if_unusable_or_obsolete = lambda: None
        monkeypatch.setattr(transactions, "connections", {USING: fake})
        seen = []

        def work():
            seen.append(fake.connection)
            if len(seen) == 1:
                raise OperationalError(number, "x")
            return "done"

        assert transactions.run(USING, work) == "done"
        assert seen == ["node 1", None]

    @pytest.mark.parametrize("vendor", ["postgresql", "mysql"])
    def test_does_not_count_lost_connections_as_attempts(self, monkeypatch, vendor):
        fake = SimpleNamespace(vendor=vendor, connection=None, in_atomic_block=False)
        fake.close_if_unusable_or_obsolete = lambda: None
        clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda seconds: now.append(now.pop() + 0.5))
        now = [0.0]
        monkeypatch.setattr(transactions, "connections", {USING: fake})
        monkeypatch.setattr(transactions, "time", clock)
        soon, tries_of_soon = failing(OperationalError(2002, "x"), 12)
        never, tries_of_never = failing(OperationalError(2002, "x"), 99)

        answer = transactions.run(USING, soon)
        now[0] = 0.0
        with pytest.raises(transactions.Unavailable):
            transactions.run(USING, never)

        assert (answer, len(tries_of_soon)) == ("done", 13)
        assert 12 < len(tries_of_never) < 25
        assert now[0] < transactions.SECONDS_IN_ALL

    @pytest.mark.parametrize(("vendor", "error", "facts"), LASTING)
    def test_gives_up_at_once_what_will_not_pass(self, backend, vendor, error, facts):
        backend(vendor)
        work, tries = failing(error, 9, **facts)

        with pytest.raises(transactions.Unavailable):
            transactions.run(USING, work)
        assert len(tries) == 1

    def test_gives_up_after_its_tries(self, backend):
        backend("mysql")
        work, tries = failing(OperationalError(1213, "text with a@example.jp"), 9)

        with pytest.raises(transactions.Unavailable, match=r"^OperationalError 1213$"):
            transactions.run(USING, work)
        assert len(tries) == transactions.TRIES

    def test_gives_up_after_its_time(self, backend, monkeypatch):
        backend("mysql")
        clock = iter([0.0, 3.0, 11.0])
        fake = SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda seconds: None)
        monkeypatch.setattr(transactions, "time", fake)
        work, tries = failing(OperationalError(1205, "x"), 9)

        with pytest.raises(transactions.Unavailable):
            transactions.run(USING, work)
        assert len(tries) == 2

    def test_takes_a_lasting_conflict_for_a_fault_of_the_data(self, backend):
        backend("mysql")
        work, _ = failing(IntegrityError(1062, "x"), 9)

        with pytest.raises(transactions.Unstorable):
            transactions.run(USING, work)

    def test_lets_other_errors_through(self, db):
        work, _ = failing(KeyError("x"), 1)

        with pytest.raises(KeyError):
            transactions.run(USING, work)

    @pytest.mark.django_db(transaction=True)
    def test_connects_again_after_a_lost_connection(self):
        if connection.vendor == "sqlite":
            pytest.skip("SQLite has no connection to lose")
        tries = []

        def work():
            tries.append(1)
            with connection.cursor() as cursor:
                if len(tries) == 1:
                    kill = "SELECT pg_terminate_backend(pg_backend_pid())"
                    cursor.execute(kill if connection.vendor == "postgresql" else "KILL CONNECTION_ID()")
                cursor.execute("SELECT 1")
                return cursor.fetchone()[0]

        assert transactions.run(USING, work) == 1
        assert len(tries) == 2


@pytest.mark.django_db(transaction=True)
class TestAtomic:
    def test_waits_three_seconds_for_a_lock_and_leaves_the_session_as_it_was(self):
        if connection.vendor == "sqlite":
            pytest.skip("SQLite waits as its OPTIONS say")
        read = (
            "SHOW lock_timeout" if connection.vendor == "postgresql" else "SELECT @@innodb_lock_wait_timeout"
        )

        def limit():
            with connection.cursor() as cursor:
                cursor.execute(read)
                return str(cursor.fetchone()[0])

        before = limit()
        with transactions.atomic(USING):
            within = limit()

        assert within.rstrip("s") == str(transactions.LOCK_SECONDS)
        assert limit() == before != within

    def test_sets_the_wait_on_the_way_of_the_first_statement(self):
        if connection.vendor != "postgresql":
            pytest.skip("PostgreSQL alone has a setting for a transaction")

        with CaptureQueriesContext(connection) as captured, transactions.atomic(USING):
            for _ in range(2):
                with connection.cursor() as cursor:
                    cursor.execute("SELECT %s", [7])
                    assert cursor.fetchone() == (7,)

        sent = [query["sql"] for query in captured if not query["sql"].startswith(("BEGIN", "COMMIT"))]
        assert sent == ["SET LOCAL lock_timeout = '3s'; SELECT 7", "SELECT 7"]

    def test_sets_the_wait_before_it_where_a_driver_takes_one_statement_at_a_time(self, monkeypatch):
        if connection.vendor != "postgresql":
            pytest.skip("PostgreSQL alone has a setting for a transaction")
        monkeypatch.setattr(connection.features, "uses_server_side_binding", True)

        with (
            CaptureQueriesContext(connection) as captured,
            transactions.atomic(USING),
            connection.cursor() as cursor,
        ):
            cursor.execute("SHOW lock_timeout")
            assert cursor.fetchone() == ("3s",)

        assert not [query["sql"] for query in captured if ";" in query["sql"]]

    def test_is_refused_inside_another_transaction(self):
        from django.db import transaction

        with transaction.atomic(), pytest.raises(RuntimeError, match="durable"), transactions.atomic(USING):
            raise AssertionError("not reached")

    def test_leaves_nothing_behind_after_an_error(self):
        def work():
            with transactions.atomic(USING):
                NotificationFactory()
                raise KeyError

        with pytest.raises(KeyError):
            work()
        assert not NotificationFactory._meta.model.objects.exists()
