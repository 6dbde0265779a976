"""Receivers at fault, in a server: they harm neither the history nor each other nor later requests."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time

import pytest

from cmc_webhooks import models
from cmc_webhooks.dispatch import outbox, retries
from tests.conftest import delivery, notification
from tests.faults import harness

pytestmark = pytest.mark.django_db(transaction=True)

SWEEP = [sys.executable, "-m", "django", "cmc_dispatch", "--once"]


@pytest.fixture
def server(tmp_path):
    server = harness.Server(tmp_path)
    server.start()
    yield server
    server.kill()


def batch(name, *subjects):
    return notification(
        "deliveries",
        *(
            delivery(f"<{name}-{number}@example.com>", subject=subject, status="succeeded")
            for number, subject in enumerate(subjects)
        ),
    )


class TestReceiver:
    @pytest.mark.parametrize("fault", ["raise", "break", "begin", "enter", "no autocommit", "close"])
    def test_at_fault_harms_no_one_else(self, server, fault):
        bodies = [batch(f"odd{number}", "good", fault, *["good"] * 22, fault) for number in range(6)]
        bodies += [batch(f"good{number}", *["good"] * 25) for number in range(12)]

        answers = [harness.request(server.port, "POST", body) for body in bodies]

        assert answers == [200] * 18
        lines = server.noted()
        told = {line.split()[1] for line in lines if line.startswith("event ")}
        figures = harness.check(server, bodies)
        again = server.noted()[len(lines) :]
        assert figures["stored"] == 18 * 25
        assert len(told) >= 18 * 25 - 12
        # The other receiver of the same event had no fault, so it is not called again
        assert len([line for line in lines if line.startswith("counted ")]) == 18 * 25
        assert [line for line in again if not line.startswith("event ")] == []
        assert figures["repeated"] <= 12

    def test_that_sleeps_is_given_two_seconds(self, server):
        body = batch("slow", *["sleep"] * 25)
        began = time.monotonic()

        answer = harness.request(server.port, "POST", body)
        seconds = time.monotonic() - began
        others = [harness.request(server.port, "POST", batch(f"good{n}", "good")) for n in range(8)]

        assert (answer, others) == (200, [200] * 8)
        assert seconds >= outbox.BUDGET_SECONDS
        assert sum(len(row.items) for row in models.PendingSignal.objects.all()) > 30
        harness.check(server, [body])

    def test_that_a_worker_lacks_is_called_by_the_next_one(self, server):
        """A deployment: the signal of a receiver that raised meets a process without the receiver."""
        body = batch("odd", "good", "raise")
        assert harness.request(server.port, "POST", body) == 200
        models.PendingSignal.objects.update(available_at=0)
        lines = server.noted()

        subprocess.run(  # noqa: S603 - our own words
            SWEEP,
            cwd=harness.ROOT,
            env=server.environment | {"FAULTS_WITHOUT_RECEIVERS": "1"},
            timeout=60,
            capture_output=True,
            check=True,
        )

        row = models.PendingSignal.objects.get()
        assert (row.state, row.attempts, row.last_error) == ("pending", 2, "NotConnected")
        assert row.failures == [{"receiver": "faults.event", "error": "NotConnected", "place": ""}]
        assert server.noted() == lines
        assert harness.check(server, [body])["repeated"] == 0

    def test_that_kills_its_process_takes_no_neighbour_along(self, server):
        body = batch("deadly", *["good"] * 12, "kill", *["good"] * 12)
        with pytest.raises((OSError, http.client.HTTPException)):
            harness.request(server.port, "POST", body)

        deaths = 0
        for _ in range(100):
            due = models.PendingSignal.objects.filter(state="pending")
            if not due.exists():
                break
            due.update(available_at=0)
            done = subprocess.run(  # noqa: S603 - our own words
                SWEEP, cwd=harness.ROOT, env=server.environment, timeout=60, capture_output=True, check=False
            )
            deaths += done.returncode == -9

        told = {line.split()[1] for line in server.noted() if line.startswith("event ")}
        changes = [line for line in server.noted() if line.startswith("change ")]
        (dead,) = models.PendingSignal.objects.all()
        (item,) = dead.facts
        print(f"\na receiver killed {deaths} sweeps, then its signal was dead")
        assert (item["signal"], dead.state) == ("event_recorded", "dead")
        assert models.DeliveryEvent.objects.get(pk=item["event"]).mail.subject == "kill"
        assert len(told) == 24
        assert len({line.split()[1] for line in changes}) == 25
        assert 1 <= deaths <= retries.MAX_ATTEMPTS
