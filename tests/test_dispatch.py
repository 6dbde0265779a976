from __future__ import annotations

import logging
import threading
import time
from types import SimpleNamespace

import pytest
from django.db import connection, connections, transaction

from cmc_webhooks import dispatch, models, signals, wire
from cmc_webhooks.calls import Call
from tests import factories

USING = "default"


def calls(number):
    """A call of each signal for `number` mails."""
    made = []
    for _ in range(number):
        event = factories.DeliveryEventFactory()
        made += [
            Call("event_recorded", event, event.mail),
            Call("status_changed", event, event.mail, "", "queued", 1),
        ]
    return made


@pytest.fixture
def receiver():
    """Connects functions and disconnects them after the test."""
    connected = []

    def connect(signal, function, sender=None):
        signal.connect(function, sender=sender, weak=False)
        connected.append((signal, function, sender))
        return function

    yield connect
    for signal, function, sender in connected:
        signal.disconnect(function, sender=sender)


@pytest.mark.django_db
class TestOwe:
    def test_writes_rows_of_25_leased_to_the_caller(self):
        made = calls(15)
        before = int(time.time() * 1000)

        dispatch.owe(USING, made, leased=True)

        rows = models.PendingSignal.objects.order_by("pk")
        items = [item for row in rows for item in row.facts]
        assert [len(row.items) for row in rows] == [25, 5]
        assert [item["event"] for item in items] == [str(call.event.pk) for call in made]
        assert {(row.attempts, row.state) for row in rows} == {(1, "pending")}
        assert all(row.available_at >= before + dispatch.LEASE_MS for row in rows)

    def test_keeps_all_that_a_later_call_needs(self):
        [_, change] = calls(1)

        dispatch.owe(USING, [change], leased=True)

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

        dispatch.send(USING, dispatch.owe(USING, made, leased=True))

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
            dispatch.send(USING, dispatch.owe(USING, made, leased=True))

        row = models.PendingSignal.objects.get()
        assert seen == [made[0].event, made[2].event]
        assert [item["event"] for item in row.facts] == [str(made[2].event.pk)]
        assert (row.attempts, row.last_error, row.state) == (1, "ValueError", "pending")
        assert row.available_at >= before + dispatch.FIRST_PAUSE_MS
        assert [record.exc_info is not None for record in caplog.records] == [True]

    def test_gives_back_what_does_not_fit_the_budget(self, sent, monkeypatch):
        made = calls(20)
        clock = iter([0.0, *([1.0] * 10), *([3.0] * 100)])
        fake = SimpleNamespace(monotonic=lambda: next(clock), time_ns=time.time_ns)
        monkeypatch.setattr(dispatch, "time", fake)

        dispatch.send(USING, dispatch.owe(USING, made, leased=True))

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
        [owed] = dispatch.owe(USING, calls(1)[:1], leased=True)
        models.PendingSignal.objects.update(attempts=dispatch.MAX_ATTEMPTS)
        owed.row.attempts = dispatch.MAX_ATTEMPTS

        dispatch.send(USING, [owed])

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
        dispatch.send(USING, dispatch.owe(USING, made, leased=True))

        row = models.PendingSignal.objects.get()
        assert [item["event"] for item in row.facts] == [str(made[0].event.pk)]
        assert row.last_error == "TransactionManagementError"
        assert set(models.Notification.objects.values_list("new", flat=True)) == {1}
        assert "left a transaction open" in caplog.text

    def test_leaves_the_row_leased_when_a_receiver_ends_the_process(self, receiver):
        def leave(**kwargs):
            raise SystemExit

        receiver(signals.event_recorded, leave)
        owed = dispatch.owe(USING, calls(1), leased=True)

        with pytest.raises(SystemExit):
            dispatch.send(USING, owed)

        assert models.PendingSignal.objects.get().attempts == 1


def due(*made, attempts=0, error=""):
    """A row that is owed and due."""
    owed = dispatch.owe(USING, made, leased=False)
    models.PendingSignal.objects.filter(pk__in=[row.pk for row, _ in owed]).update(
        attempts=attempts, last_error=error
    )
    return models.PendingSignal.objects.get(pk=owed[0].row.pk)


@pytest.mark.django_db
class TestSweep:
    def test_sends_what_is_due_with_rows_as_they_are_now(self, sent):
        recorded, changed = calls(1)
        due(recorded, changed)
        models.Mail.objects.update(subject="now")

        swept = dispatch.sweep(USING)

        assert swept == dispatch.Swept(sent=2)
        assert [(name, arguments["event"]) for name, _, arguments in sent] == [
            ("event_recorded", recorded.event),
            ("status_changed", recorded.event),
        ]
        assert {arguments["mail"].subject for _, _, arguments in sent} == {"now"}
        assert sent.of("status_changed")[0]["version"] == 1
        assert not models.PendingSignal.objects.exists()

    def test_tells_of_blocks_without_a_mail(self, sent):
        event = factories.BlockEventFactory()
        due(Call("event_recorded", event, None))

        assert dispatch.sweep(USING) == dispatch.Swept(sent=1)
        assert sent[0][1:] == (models.BlockEvent, {**sent[0][2], "event": event, "mail": None})

    def test_costs_few_statements_a_row(self, sent, django_assert_max_num_queries):
        made = [call for _ in range(12) for call in calls(1)]
        due(*made)

        # due? claim (savepoint, select, update, release), mails, events, delete, due?
        with django_assert_max_num_queries(12):
            assert dispatch.sweep(USING).sent == 24

    def test_leaves_what_is_leased_paused_or_dead(self, sent):
        dispatch.owe(USING, calls(1), leased=True)
        due(*calls(1))
        models.PendingSignal.objects.filter(attempts=0).update(state="dead")

        assert dispatch.sweep(USING) == dispatch.Swept()
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
        for _ in range(2 * dispatch.MAX_ATTEMPTS):
            try:
                dispatch.sweep(USING)
            except SystemExit:
                kills += 1
            models.PendingSignal.objects.update(available_at=0)

        row = models.PendingSignal.objects.get()
        assert kills == dispatch.MAX_ATTEMPTS - 1  # the first attempt was another process's
        assert (row.state, row.last_error, len(row.items)) == ("dead", "Killed", 1)
        assert row.facts[0]["event"] == str(killer.event.pk)

    def test_tries_a_failing_call_eight_times_with_doubling_pauses(self, receiver):
        receiver(signals.event_recorded, lambda **kwargs: 1 / 0)
        due(calls(1)[0])
        pauses = []

        for _ in range(dispatch.MAX_ATTEMPTS):
            dispatch.sweep(USING)
            row = models.PendingSignal.objects.get()
            pauses.append(round((row.available_at - time.time() * 1000) / 1000))
            models.PendingSignal.objects.update(available_at=0)

        assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3840]
        assert (row.state, row.attempts) == ("dead", 8)
        assert dispatch.sweep(USING) == dispatch.Swept()

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

        assert (swept, sent) == (dispatch.Swept(failed=2), [])
        assert set(models.PendingSignal.objects.values_list("last_error", flat=True)) == {"DoesNotExist"}

    def test_stops_when_told_to_and_when_its_time_is_over(self, sent):
        due(*calls(1))

        assert dispatch.sweep(USING, stopped=lambda: True) == dispatch.Swept()
        assert dispatch.sweep(USING, seconds=0) == dispatch.Swept()
        assert models.PendingSignal.objects.count() == 1

    def test_stops_between_two_signals_and_gives_back_the_rest(self, sent):
        due(*calls(2))
        told = []

        swept = dispatch.sweep(USING, stopped=lambda: bool(sent), progress=told.append)

        row = models.PendingSignal.objects.get()
        assert (len(row.items), row.attempts) == (3, 0)
        assert row.available_at <= time.time() * 1000
        assert [swept] == told == [dispatch.Swept(sent=1)]

    def test_stops_before_its_lease_ends(self, sent, monkeypatch):
        due(*calls(2))
        clock = iter([0.0, 0.0, 0.0, 1.0, 269.0, 271.0, *[1000.0] * 9])
        fake = SimpleNamespace(monotonic=lambda: next(clock), time_ns=time.time_ns)
        monkeypatch.setattr(dispatch, "time", fake)

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


class TestIsTimeToHeal:
    def test_is_once_a_minute(self, monkeypatch):
        clock = iter([100.0, 159.0, 161.0, 162.0])
        monkeypatch.setattr(dispatch, "_healed_at", 40.0)
        monkeypatch.setattr(dispatch, "time", SimpleNamespace(monotonic=lambda: next(clock)))

        assert [dispatch.is_time_to_heal() for _ in range(4)] == [True, False, True, False]
