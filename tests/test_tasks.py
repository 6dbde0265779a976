from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from django.test import RequestFactory

from cmc_webhooks import dispatch, maintenance, models
from cmc_webhooks.dispatch.calls import SignalCall
from cmc_webhooks.statistics import rollup
from cmc_webhooks.views import webhook
from tests.conftest import HOOK, delivery, notification
from tests.helpers import factories

tasks = pytest.importorskip("cmc_webhooks.tasks", exc_type=ImportError)

pytestmark = pytest.mark.django_db(transaction=True)


woken: list[int] = []


def wake_up():
    woken.append(1)


@pytest.fixture(autouse=True)
def deferred(settings):
    """The deferred mode, with Django's default backend, which runs a task when it is enqueued."""
    settings.CMC_WEBHOOKS_DISPATCH = "deferred"


@pytest.fixture
def hints(monkeypatch):
    """The wake-ups that would have gone to a worker."""
    enqueued = []
    monkeypatch.setattr(
        tasks, "send_pending_signals", SimpleNamespace(enqueue=lambda *a, **k: enqueued.append((a, k)))
    )
    return enqueued


class TestSendOwedSignals:
    def test_sends_what_the_request_stored(self, hook, sent):
        answer = hook.send("deliveries", delivery())

        assert answer.json()["new"] == 1
        assert [name for name, _, _ in sent] == ["event_recorded", "status_changed"]
        assert not models.PendingSignal.objects.exists()

    def test_tells_what_it_did(self, hook, hints, sent):
        hook.send("deliveries", delivery())

        result = tasks.maintenance.run("default")._asdict()

        assert result == {"sent": 2, "failed": 0, "dead": 0}

    def test_does_no_harm_when_there_is_nothing_to_do(self):
        assert tasks.send_pending_signals.call() == {"sent": 0, "failed": 0, "dead": 0}


class TestPrune:
    def test_lets_go_what_the_setting_says(self, settings):
        settings.CMC_WEBHOOKS_RETENTION = {"notifications": 90}
        factories.NotificationFactory()

        assert tasks.prune.call() == {"notifications": 1}


class TestRequest:
    def test_only_stores_and_wakes_a_worker_without_arguments(self, hook, hints, sent):
        hook.send("deliveries", delivery(), delivery(status="succeeded"))

        row = models.PendingSignal.objects.get()
        assert sent == []
        assert hints == [((), {})]
        assert (len(row.items), row.attempts) == (3, 0)

    def test_wakes_a_worker_in_the_projects_own_way(self, hook, settings, sent):
        settings.CMC_WEBHOOKS_DISPATCH = "tests.test_tasks.wake_up"
        woken.clear()

        hook.send("deliveries", delivery())

        assert woken == [1]
        assert sent == []
        assert models.PendingSignal.objects.get().attempts == 0

    def test_wakes_nobody_for_what_is_known(self, hook, hints, sent):
        hook.send("deliveries", delivery())
        hook.send("deliveries", delivery())

        assert len(hints) == 1

    def test_is_answered_although_no_worker_can_be_woken(self, hook, monkeypatch, sent, caplog):
        def away():
            raise ConnectionError("broker away")

        monkeypatch.setattr(tasks, "send_pending_signals", SimpleNamespace(enqueue=away))

        with caplog.at_level(logging.ERROR):
            answer = hook.send("deliveries", delivery())

        assert answer.status_code == 200
        assert "broker away" in caplog.text
        assert dispatch.sweep("default").sent == 2

    def test_wakes_a_worker_for_what_was_left_owed_once_a_minute(self, hook, hints, monkeypatch):
        monkeypatch.setattr(maintenance, "_last_run_at", -1e9)

        for _ in range(3):
            hook.send("deliveries")

        assert hints == [((), {})]


class TestHealing:
    @pytest.fixture(autouse=True)
    def inline(self, settings, deferred, monkeypatch):
        settings.CMC_WEBHOOKS_DISPATCH = "inline"
        monkeypatch.setattr(maintenance, "_last_run_at", -1e9)

    def test_sends_what_another_process_left_owed(self, hook, sent):
        event = factories.DeliveryEventFactory()
        dispatch.enqueue("default", [SignalCall("event_recorded", event, event.mail)], leased=False)

        hook.send("deliveries")

        assert [arguments["event"] for _, _, arguments in sent] == [event]

    def test_waits_until_the_answer_has_been_sent(self, hook, monkeypatch):
        swept = []
        monkeypatch.setattr(dispatch, "sweep", lambda *args, **kwargs: swept.append(args))
        monkeypatch.setattr(rollup, "roll_up", lambda *args, **kwargs: None)

        body = notification("deliveries", delivery())
        answer = webhook(RequestFactory().post(HOOK, body, "application/json"))

        assert (answer.status_code, swept) == (200, [])
        answer.close()
        assert len(swept) == 1

    def test_never_costs_the_answer(self, hook, monkeypatch, caplog):
        def fail(*args, **kwargs):
            raise RuntimeError("a bug")

        monkeypatch.setattr(dispatch, "sweep", fail)

        answer = hook.send("deliveries", delivery())

        assert answer.status_code == 200
        assert "Periodic maintenance failed" in caplog.text
