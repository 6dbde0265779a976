"""Kill -9 in the middle of the work: what was acknowledged is there once, and told or owed."""

from __future__ import annotations

import random
import time

import pytest

from tests.faults import harness

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(tmp_path):
    server = harness.Server(tmp_path)
    server.start()
    yield server
    server.kill()


class TestKill:
    def test_of_the_whole_server_loses_nothing(self, server):
        with harness.Senders(server.port) as senders:
            for _ in range(harness.FAULTS):
                senders.wait_for(3)
                time.sleep(random.uniform(0, 0.1))  # noqa: S311 - any moment
                server.kill()
                server.start()
            senders.wait_for(3)
        server.kill()

        figures = harness.check(server, senders.acknowledged)
        print(
            f"\nkilled the server {harness.FAULTS} times: {figures}, {senders.failures} requests broken off"
        )
        assert figures["acknowledged"] > harness.FAULTS
        assert senders.failures > 0

    def test_of_one_worker_loses_nothing(self, server):
        with harness.Senders(server.port) as senders:
            for _ in range(harness.FAULTS):
                senders.wait_for(3)
                time.sleep(random.uniform(0, 0.1))  # noqa: S311 - any moment
                server.kill_a_worker()
            senders.wait_for(3)
        server.kill()

        figures = harness.check(server, senders.acknowledged)
        print(f"\nkilled a worker {harness.FAULTS} times: {figures}, {senders.failures} requests broken off")
        assert figures["acknowledged"] > harness.FAULTS
