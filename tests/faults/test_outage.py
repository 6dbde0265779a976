"""The database goes away under load and comes back: 200 and 503 only, and no restart is needed."""

from __future__ import annotations

import time

import pytest
from django.db import connection

from tests.conftest import delivery, notification
from tests.faults import harness
from tests.helpers.relay import before_the_database

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no server to stop"),
]


@pytest.fixture
def wire():
    with before_the_database() as relay:
        yield relay


@pytest.fixture
def server(tmp_path, wire):
    server = harness.Server(tmp_path, HOST="127.0.0.1", PORT=str(wire.port))
    server.start()
    yield server
    server.kill()


class TestOutage:
    def test_is_answered_with_503_and_over_without_a_restart(self, server, wire):
        with harness.Senders(server.port) as senders:
            for _ in range(max(2, harness.FAULTS // 5)):
                senders.wait_for(10)
                wire.cut()
                until = time.monotonic() + 30
                while senders.answers[-1][1] != 503 and time.monotonic() < until:
                    time.sleep(0.01)
                time.sleep(0.3)
                wire.mend()
                until = time.monotonic() + 30
                while senders.answers[-1][1] != 200 and time.monotonic() < until:
                    time.sleep(0.01)
        server.kill()

        figures = harness.check(server, senders.acknowledged)
        statuses = sorted({status for _, status in senders.answers})
        refused = sum(status == 503 for _, status in senders.answers)
        print(f"\nthe database away {max(2, harness.FAULTS // 5)} times: {figures}, {refused} answers 503")
        assert statuses == [200, 503]
        assert senders.failures == 0


@pytest.mark.skipif(connection.vendor != "postgresql", reason="Django has pools for PostgreSQL alone")
class TestPool:
    """The recommended pool, and one that is larger than the number of attempts."""

    @pytest.mark.parametrize(
        "pool", [{"min_size": 2, "max_size": 4, "timeout": 3}, {"min_size": 8}], ids=["recommended", "of 8"]
    )
    def test_whose_connections_are_all_dead_refuses_no_notification(self, tmp_path, wire, pool):
        pytest.importorskip("psycopg_pool")
        options = {**connection.settings_dict["OPTIONS"], "pool": pool}
        server = harness.Server(
            tmp_path, 1, HOST="127.0.0.1", PORT=str(wire.port), CONN_MAX_AGE=0, OPTIONS=options
        )
        server.start()
        statuses = []
        try:
            for fault in range(3):
                for number in range(4):
                    body = notification("deliveries", delivery(f"<{fault}-{number}@example.com>"))
                    statuses.append(harness.request(server.port, "POST", body))
                wire.cut()
                wire.mend()
        finally:
            server.kill()

        assert statuses == [200] * 12
