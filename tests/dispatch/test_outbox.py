from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from django.db import connection, transaction

from cmc_webhooks import dispatch, models, signals
from cmc_webhooks.dispatch import outbox, retries
from tests.helpers.outbox import USING, calls


@pytest.mark.django_db
class TestOwe:
    def test_writes_rows_of_25_leased_to_the_caller(self):
        made = calls(15)
        before = int(time.time() * 1000)

        dispatch.enqueue(USING, made, leased=True)

        rows = models.PendingSignal.objects.order_by("pk")
        items = [item for row in rows for item in row.facts]
        assert [len(row.items) for row in rows] == [25, 5]
        assert [item["event"] for item in items] == [str(call.event.pk) for call in made]
        assert {(row.attempts, row.state) for row in rows} == {(1, "pending")}
        assert all(row.available_at >= before + outbox.LEASE_MS for row in rows)

    def test_keeps_all_that_a_later_call_needs(self):
        [_, change] = calls(1)

        dispatch.enqueue(USING, [change], leased=True)

        assert models.PendingSignal.objects.get().facts == [
            {
                "signal": "status_changed",
                "event_type": "deliveries",
                "event": str(change.event.pk),
                "mail": str(change.mail.pk),
                "old": "",
                "new": "queued",
                "version": 1,
            }
        ]


@pytest.mark.django_db
class TestSend:
    def test_calls_receivers_in_order_and_deletes_the_rows(self, sent):
        made = calls(15)

        dispatch.send(USING, dispatch.enqueue(USING, made, leased=True))

        assert [(name, arguments["event"]) for name, _, arguments in sent] == [
            (call.signal, call.event) for call in made
        ]
        assert not models.PendingSignal.objects.exists()

    @pytest.mark.parametrize("first", [True, False], ids=["raises first", "raises last"])
    def test_owes_a_call_whose_receiver_raised_alone_after_a_pause(self, receiver, caplog, first):
        seen = []
        made = calls(2)

        def fail(event, **kwargs):
            if event == made[2].event:
                raise ValueError("a@example.jp")

        both = [fail, lambda event, **kwargs: seen.append(event)]
        for function in both if first else reversed(both):
            receiver(signals.event_recorded, function)
        before = int(time.time() * 1000)

        with caplog.at_level(logging.ERROR):
            dispatch.send(USING, dispatch.enqueue(USING, made, leased=True))

        row = models.PendingSignal.objects.get()
        assert seen == [made[0].event, made[2].event]
        assert [item["event"] for item in row.facts] == [str(made[2].event.pk)]
        assert (row.attempts, row.last_error, row.state) == (1, "ValueError", "pending")
        assert row.available_at >= before + retries.FIRST_PAUSE_MS
        assert [record.exc_info is not None for record in caplog.records] == [True]

    def test_gives_back_what_does_not_fit_the_budget(self, sent, monkeypatch):
        made = calls(20)
        clock = iter([0.0, *([1.0] * 10), *([3.0] * 100)])
        fake = SimpleNamespace(monotonic=lambda: next(clock), time_ns=time.time_ns)
        monkeypatch.setattr(outbox, "time", fake)

        dispatch.send(USING, dispatch.enqueue(USING, made, leased=True))

        rows = models.PendingSignal.objects.order_by("pk")
        assert len(sent) == 10
        assert [len(row.items) for row in rows] == [15, 15]
        assert [item["event"] for row in rows for item in row.facts] == [
            str(call.event.pk) for call in made[10:]
        ]
        assert {row.attempts for row in rows} == {0}
        assert all(row.available_at <= time.time() * 1000 for row in rows)

    def test_lets_a_signal_die_after_its_last_attempt(self, receiver, caplog):
        receiver(signals.event_recorded, lambda **kwargs: 1 / 0)
        [enqueued] = dispatch.enqueue(USING, calls(1)[:1], leased=True)
        models.PendingSignal.objects.update(attempts=retries.MAX_ATTEMPTS)
        enqueued.row.attempts = retries.MAX_ATTEMPTS

        dispatch.send(USING, [enqueued])

        row = models.PendingSignal.objects.get()
        assert (row.state, row.last_error) == ("dead", "ZeroDivisionError")
        assert "dead after 8 attempts" in caplog.text

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize(
        "leave_open",
        [
            lambda: transaction.atomic().__enter__(),
            lambda: transaction.set_autocommit(False),
            pytest.param(
                lambda: connection.cursor().execute("BEGIN"),
                marks=pytest.mark.skipif(connection.vendor == "mysql", reason="its driver does not tell"),
            ),
        ],
        ids=["a block", "no autocommit", "BEGIN"],
    )
    def test_rolls_back_what_a_receiver_left_open(self, receiver, caplog, leave_open):
        made = calls(2)

        def careless(event, **kwargs):
            if event == made[0].event:
                leave_open()
                models.Notification.objects.update(new=7)

        receiver(signals.event_recorded, careless)
        dispatch.send(USING, dispatch.enqueue(USING, made, leased=True))

        row = models.PendingSignal.objects.get()
        assert [item["event"] for item in row.facts] == [str(made[0].event.pk)]
        assert row.last_error == "TransactionManagementError"
        assert set(models.Notification.objects.values_list("new", flat=True)) == {1}
        assert "left a transaction open" in caplog.text

    @pytest.mark.django_db(transaction=True)
    def test_ends_a_transaction_that_the_driver_does_not_report(self, receiver):
        """Elsewhere nobody could lock the outbox row until this connection is used again."""
        made = calls(2)

        def careless(event, **kwargs):
            if event == made[0].event:
                connection.cursor().execute("BEGIN")
                models.Notification.objects.update(new=7)

        receiver(signals.event_recorded, careless)
        dispatch.send(USING, dispatch.enqueue(USING, made, leased=True))

        def seen_from_elsewhere():
            try:
                models.PendingSignal.objects.update(available_at=0)
                return set(models.Notification.objects.values_list("new", flat=True))
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(seen_from_elsewhere).result(30) == {1}
        # MariaDB's driver reports nothing, so the call counts as sent
        assert models.PendingSignal.objects.count() == (0 if connection.vendor == "mysql" else 1)

    def test_leaves_the_row_leased_when_a_receiver_ends_the_process(self, receiver):
        def leave(**kwargs):
            raise SystemExit

        receiver(signals.event_recorded, leave)
        enqueued = dispatch.enqueue(USING, calls(1), leased=True)

        with pytest.raises(SystemExit):
            dispatch.send(USING, enqueued)

        assert models.PendingSignal.objects.get().attempts == 1

    def test_deletes_each_row_before_the_next_one_is_sent(self, receiver, django_assert_num_queries):
        left = []
        receiver(signals.event_recorded, lambda **kwargs: left.append(models.PendingSignal.objects.count()))
        enqueued = dispatch.enqueue(USING, calls(30), leased=True)

        with django_assert_num_queries(30 + len(enqueued)):
            dispatch.send(USING, enqueued)

        assert left == [3] * 13 + [2] * 12 + [1] * 5

    def test_leaves_a_row_alone_that_was_claimed_again(self, receiver):
        enqueued = dispatch.enqueue(USING, calls(1), leased=True)
        receiver(signals.event_recorded, lambda **kwargs: models.PendingSignal.objects.update(attempts=2))

        dispatch.send(USING, enqueued)

        assert models.PendingSignal.objects.get().attempts == 2
