"""What is enqueued is swept up: sent, put off, given up, and shared by rivals."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest
from django.db import connections

from cmc_webhooks import dispatch, models, signals, wire
from cmc_webhooks.dispatch import outbox, retries, sweeper
from cmc_webhooks.dispatch.calls import SignalCall
from tests.helpers import factories
from tests.helpers.outbox import USING, calls


def due(*made, attempts=0, error=""):
    """A row that is enqueued and due."""
    enqueued = dispatch.enqueue(USING, made, leased=False)
    models.PendingSignal.objects.filter(pk__in=[row.pk for row, _ in enqueued]).update(
        attempts=attempts, last_error=error
    )
    return models.PendingSignal.objects.get(pk=enqueued[0].row.pk)


@pytest.mark.django_db
class TestSweep:
    def test_sends_what_is_due_with_rows_as_they_are_now(self, sent):
        recorded, changed = calls(1)
        due(recorded, changed)
        models.Mail.objects.update(subject="now")

        swept = dispatch.sweep(USING)

        assert swept == dispatch.SweepResult(sent=2)
        assert [(name, arguments["event"]) for name, _, arguments in sent] == [
            ("event_recorded", recorded.event),
            ("status_changed", recorded.event),
        ]
        assert {arguments["mail"].subject for _, _, arguments in sent} == {"now"}
        assert sent.of("status_changed")[0]["version"] == 1
        assert not models.PendingSignal.objects.exists()

    def test_tells_of_blocks_without_a_mail(self, sent):
        event = factories.BlockEventFactory()
        due(SignalCall("event_recorded", event, None))

        assert dispatch.sweep(USING) == dispatch.SweepResult(sent=1)
        assert sent[0][1:] == (models.BlockEvent, {**sent[0][2], "event": event, "mail": None})

    def test_costs_few_statements_a_row(self, sent, django_assert_max_num_queries):
        made = [call for _ in range(12) for call in calls(1)]
        due(*made)

        # due? claim (savepoint, select, update, release), mails, events, delete, due?
        with django_assert_max_num_queries(12):
            assert dispatch.sweep(USING).sent == 24

    def test_leaves_what_is_leased_paused_or_dead(self, sent):
        dispatch.enqueue(USING, calls(1), leased=True)
        due(*calls(1))
        models.PendingSignal.objects.filter(attempts=0).update(state="dead")

        assert dispatch.sweep(USING) == dispatch.SweepResult()
        assert sent == []

    def test_gives_each_call_of_a_row_claimed_twice_a_count_of_its_own(self, receiver):
        made = calls(2)
        due(*made, attempts=1)
        killer = made[1]

        def kill(event, **kwargs):
            if event == killer.event:
                raise SystemExit

        receiver(signals.status_changed, kill)
        kills = 0
        for _ in range(2 * retries.MAX_ATTEMPTS):
            try:
                dispatch.sweep(USING)
            except SystemExit:
                kills += 1
            models.PendingSignal.objects.update(available_at=0)

        row = models.PendingSignal.objects.get()
        assert kills == retries.MAX_ATTEMPTS - 1  # the first attempt was another process's
        assert (row.state, row.last_error, len(row.items)) == ("dead", "Killed", 1)
        assert row.facts[0]["event"] == str(killer.event.pk)

    def test_tries_a_failing_call_eight_times_with_doubling_pauses(self, receiver):
        receiver(signals.event_recorded, lambda **kwargs: 1 / 0)
        due(calls(1)[0])
        pauses = []

        for _ in range(retries.MAX_ATTEMPTS):
            dispatch.sweep(USING)
            row = models.PendingSignal.objects.get()
            pauses.append(round((row.available_at - time.time() * 1000) / 1000))
            models.PendingSignal.objects.update(available_at=0)

        assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3840]
        assert (row.state, row.attempts) == ("dead", 8)
        assert dispatch.sweep(USING) == dispatch.SweepResult()

    def test_keeps_since_when_a_signal_is_owed(self, receiver):
        receiver(signals.event_recorded, lambda **kwargs: 1 / 0)
        first = due(calls(1)[0])

        dispatch.sweep(USING)

        assert wire.key_ms(models.PendingSignal.objects.get().pk) == wire.key_ms(first.pk)

    def test_does_not_lose_a_call_whose_event_is_gone(self, sent):
        made = calls(1)
        due(*made)
        models.DeliveryEvent.objects.all().delete()

        swept = dispatch.sweep(USING)

        assert (swept, sent) == (dispatch.SweepResult(failed=2), [])
        assert set(models.PendingSignal.objects.values_list("last_error", flat=True)) == {"DoesNotExist"}

    def test_stops_when_told_to_and_when_its_time_is_over(self, sent):
        due(*calls(1))

        assert dispatch.sweep(USING, stopped=lambda: True) == dispatch.SweepResult()
        assert dispatch.sweep(USING, seconds=0) == dispatch.SweepResult()
        assert models.PendingSignal.objects.count() == 1

    def test_stops_between_two_signals_and_gives_back_the_rest(self, sent):
        due(*calls(2))
        told = []

        swept = dispatch.sweep(USING, stopped=lambda: bool(sent), progress=told.append)

        row = models.PendingSignal.objects.get()
        assert (len(row.items), row.attempts) == (3, 0)
        assert row.available_at <= time.time() * 1000
        assert [swept] == told == [dispatch.SweepResult(sent=1)]

    def test_stops_before_its_lease_ends(self, sent, monkeypatch):
        due(*calls(2))
        clock = iter([0.0, 0.0, 0.0, 1.0, 269.0, 271.0, *[1000.0] * 9])
        fake = SimpleNamespace(monotonic=lambda: next(clock), time_ns=time.time_ns)
        for module in (outbox, sweeper):
            monkeypatch.setattr(module, "time", fake)

        swept = dispatch.sweep(USING, seconds=500)

        row = models.PendingSignal.objects.get()
        assert (swept.sent, len(row.items), row.attempts) == (2, 2, 0)


@pytest.mark.django_db(transaction=True)
class TestRivals:
    def test_share_the_rows_and_send_each_once(self, sent):
        for _ in range(20):
            due(*calls(1))
        swept, failures = [], []

        def work():
            try:
                swept.append(dispatch.sweep(USING))
            except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
                failures.append(error)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)

        told = [(name, arguments["event"].pk) for name, _, arguments in sent]
        assert failures == []
        assert sum(one.sent for one in swept) == 40
        assert len(told) == len(set(told)) == 40
        assert not models.PendingSignal.objects.exists()
