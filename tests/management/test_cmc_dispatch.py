from __future__ import annotations

import io
import os
import signal
import threading

import pytest
from django.core.management import CommandError
from django.db import OperationalError

from cmc_webhooks import dispatch, signals
from cmc_webhooks.db import transactions
from cmc_webhooks.dispatch import calls
from cmc_webhooks.management.commands import cmc_dispatch
from tests.helpers import factories
from tests.management.test_commands import run

pytestmark = pytest.mark.django_db


def enqueue(number=1):
    for _ in range(number):
        event = factories.DeliveryEventFactory()
        dispatch.enqueue("default", [calls.SignalCall("event_recorded", event, event.mail)], leased=False)


@pytest.fixture
def handlers():
    """The handlers of signals are as they were, after the test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
class TestCmcDispatch:
    def test_sends_what_is_due_once(self, sent):
        enqueue(3)

        assert run("cmc_dispatch", "--once") == ("sent 3, failed 0, dead 0\n", 0)
        assert len(sent) == 3

    def test_goes_on_until_it_is_stopped(self, sent, monkeypatch):
        enqueue()
        rounds = []

        def stop_after_three(stop, interval):
            rounds.append(interval)
            if len(rounds) == 3:
                os.kill(os.getpid(), signal.SIGTERM)

        monkeypatch.setattr(cmc_dispatch, "close_old_connections", lambda: None)
        monkeypatch.setattr(threading.Event, "wait", stop_after_three)

        printed, code = run("cmc_dispatch", "--interval", "0.25")

        assert (printed, code, rounds) == ("sent 1, failed 0, dead 0\n", 0, [0.25] * 3)

    @pytest.mark.parametrize(
        "fault", [transactions.Unavailable("OperationalError"), OperationalError("user@example.jp")], ids=repr
    )
    def test_outlives_a_database_that_is_away(self, monkeypatch, fault):
        def away(*args, **kwargs):
            raise fault

        monkeypatch.setattr(dispatch, "sweep", away)
        monkeypatch.setattr(cmc_dispatch, "close_old_connections", lambda: None)
        monkeypatch.setattr(threading.Event, "wait", lambda stop, interval: stop.set())
        errors = io.StringIO()

        run("cmc_dispatch", stderr=errors)
        with pytest.raises(CommandError) as once:
            run("cmc_dispatch", "--once")

        line = "The database is unavailable (OperationalError)"
        assert errors.getvalue() == f"{line}, retrying in 1 s\n"
        assert (
            str(once.value)
            == f"{line}: sent 0, failed 0, dead 0; the others stay pending, run the command again"
        )
        assert once.value.returncode == 1

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_says_what_it_sent_once_when_it_was_interrupted(self, sent, number):
        enqueue(3)

        def stop(**kwargs):
            os.kill(os.getpid(), number)

        signals.event_recorded.connect(stop)
        try:
            with pytest.raises(CommandError) as once:
                run("cmc_dispatch", "--once")
        finally:
            signals.event_recorded.disconnect(stop)

        line = "Interrupted: sent 1, failed 0, dead 0; the others stay pending, run the command again"
        assert (str(once.value), once.value.returncode) == (line, 130)
        assert run("cmc_dispatch", "--once") == ("sent 2, failed 0, dead 0\n", 0)
