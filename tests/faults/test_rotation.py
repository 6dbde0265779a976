"""The docs' way to change a secret, under load: no request with a valid key is refused."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from tests.conftest import notification
from tests.faults import harness

pytestmark = pytest.mark.django_db(transaction=True)

OLD, NEW = "the-old-key-of-ours", "the-new-key-of-ours"


@pytest.fixture
def server(tmp_path):
    server = harness.Server(tmp_path)
    server.keys = tmp_path / "keys.json"
    server.environment["FAULTS_KEYS"] = str(server.keys)
    server.keys.write_text(json.dumps([OLD]))
    server.start()
    yield server
    server.kill()


def deploy(server, *keys):
    """New settings, and gunicorn's way to start workers with them while the old ones finish."""
    server.keys.write_text(json.dumps(keys))
    os.kill(server.process.pid, signal.SIGHUP)
    until = time.monotonic() + 30
    probes = {key: notification("deliveries", api_key=key) for key in (OLD, NEW)}
    expected = {key: 200 if key in keys else 403 for key in probes}
    seen = 0
    while seen < 20:  # both new workers, and no old one any more
        assert time.monotonic() < until, "the new settings are not in use"
        answers = {key: harness.request(server.port, "POST", body) for key, body in probes.items()}
        seen = seen + 1 if answers == expected else 0


class TestRotation:
    def test_of_keys_refuses_no_valid_request(self, server):
        with harness.Senders(server.port, key=OLD) as senders:
            senders.wait_for(50)
            deploy(server, OLD, NEW)
            senders.key = NEW  # entered in CMC's console
            senders.wait_for(50)
            deploy(server, NEW)
            senders.wait_for(50)
            refused = harness.request(server.port, "POST", notification("deliveries", api_key=OLD))
        server.kill()

        statuses = {status for _, status in senders.answers}
        figures = harness.check(server, senders.acknowledged)
        print(f"\nkeys changed under load: {figures}, {senders.failures} requests broken off")
        assert statuses == {200}
        assert refused == 403
