"""Kill -9 in the middle of the work: what was acknowledged is stored once, and sent or enqueued.

Each thread has one row of the outbox in flight, so a kill repeats at most the calls of that row.

CMC_FAULTS is the number of kills, CMC_SEED the seed of their moments.
"""

from __future__ import annotations

import pytest
from django.db import connection

from tests.faults import harness

pytestmark = pytest.mark.django_db(transaction=True)


KEPT = {"CONN_MAX_AGE": None}
POOL = {
    "CONN_MAX_AGE": 0,
    "OPTIONS": connection.settings_dict["OPTIONS"] | {"pool": {"min_size": 2, "max_size": 4, "timeout": 3}},
}


@pytest.fixture(params=[KEPT, POOL], ids=["kept connections", "pool"])
def server(request, tmp_path):
    if "OPTIONS" in request.param:
        if connection.vendor != "postgresql":
            pytest.skip("Django has pools for PostgreSQL alone")
        pytest.importorskip("psycopg_pool")
    server = harness.Server(tmp_path, **request.param)
    server.start()
    yield server
    server.kill()


class TestKill:
    def test_of_the_whole_server_loses_nothing(self, server):
        with harness.Senders(server.port) as senders:
            for _ in range(harness.FAULTS):
                senders.wait_for(3)
                server.wait_a_moment()
                server.kill()
                server.start()
            senders.wait_for(3)
        server.kill()

        threads = server.workers * server.workers
        figures = harness.check(server, senders.acknowledged, in_flight=(harness.FAULTS + 1) * threads)
        print(
            f"\nkilled the server {harness.FAULTS} times: {figures}, {senders.failures} requests broken off"
        )
        assert figures["acknowledged"] > harness.FAULTS
        assert senders.failures > 0

    def test_of_one_worker_loses_nothing(self, server):
        with harness.Senders(server.port) as senders:
            for _ in range(harness.FAULTS):
                senders.wait_for(3)
                server.wait_a_moment()
                server.kill_a_worker()
            senders.wait_for(3)
        server.kill()

        threads = server.workers
        in_flight = harness.FAULTS * threads + server.workers * threads  # the whole server at the end
        figures = harness.check(server, senders.acknowledged, in_flight=in_flight)
        print(f"\nkilled a worker {harness.FAULTS} times: {figures}, {senders.failures} requests broken off")
        assert figures["acknowledged"] > harness.FAULTS
