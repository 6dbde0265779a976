from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections

from cmc_webhooks import audit, dispatch, models
from cmc_webhooks.dispatch import calls as signal_calls
from cmc_webhooks.dispatch.calls import SignalCall
from cmc_webhooks.reprocessing import dead_signals, redeliver
from cmc_webhooks.reprocessing.selection import Selection
from tests.helpers import factories
from tests.helpers.outbox import USING, calls

OPERATOR = audit.Actor("command", "ops", "mended")
NOW_MS = 1_700_000_000_000

pytestmark = pytest.mark.django_db


def die(*made, error="ValueError"):
    """Enqueue each call in a row of its own that is dead."""
    rows = []
    for number, call in enumerate(made):
        row = signal_calls.new_row([call.item()], NOW_MS + number, NOW_MS + number, 0, 8)
        row.state, row.last_error = "dead", error
        row.save(force_insert=True)
        rows.append(row)
    return rows


def found(**conditions):
    return [row for rows in dead_signals.find(USING, Selection(**conditions)) for row in rows]


def send_again(**conditions):
    return dead_signals.send_again(USING, dead_signals.find(USING, Selection(**conditions)), OPERATOR)


def dismiss(**conditions):
    return dead_signals.dismiss(USING, dead_signals.find(USING, Selection(**conditions)), OPERATOR)


def items(**conditions):
    return sorted(item for row in models.PendingSignal.objects.filter(**conditions) for item in row.items)


def selected(call):
    """Conditions that select one call of several, each in another way."""
    event, mail = call.event, call.mail
    return [
        {"event": event.pk},
        {"mail": mail.pk},
        {"message_id": mail.message_id.strip("<>")},
        {"address": f"X <{mail.address.upper()}>"},
        {"mail": mail.pk, "event_types": ("deliveries",)},
        {"status": mail.status, "event": event.pk},
        {"since": event.occurred_at, "until": event.occurred_at + timedelta(minutes=1), "mail": mail.pk},
    ]


class TestFind:
    @pytest.mark.parametrize("way", range(7))
    def test_takes_the_signals_of_the_selected_events_alone(self, way):
        recorded, changed, *others = calls(3)
        rows = die(recorded, changed, *others)

        assert found(**selected(recorded)[way]) == rows[:2]

    @pytest.mark.parametrize(
        "conditions",
        [
            {"status": "no such status"},
            {"address": "nobody@example.jp"},
            {"message_id": "<nobody@example.jp>"},
            {"server_composition": "none"},
            {"event_types": ("bounces",)},
        ],
        ids=str,
    )
    def test_takes_none_where_none_is_selected(self, conditions):
        die(*calls(1))

        assert found(**conditions) == []

    def test_leaves_pending_signals_alone(self):
        dispatch.enqueue(USING, calls(1), leased=False)

        assert found() == []

    def test_finds_those_whose_event_was_deleted_by_their_keys(self):
        recorded, _ = calls(1)
        rows = die(recorded)
        models.DeliveryEvent.objects.all().delete()

        assert found() == found(event=recorded.event.pk) == found(mail=recorded.mail.pk) == rows
        assert found(status="queued") == []

    def test_finds_blocks_which_have_no_mail(self):
        block = factories.BlockEventFactory()
        rows = die(SignalCall("event_recorded", block, None))

        assert found(event_types=("blocks",)) == found(address=block.address) == rows
        assert found(mail=block.pk) == found(message_id="x") == []

    def test_reads_any_number_in_the_order_in_which_they_died(self, monkeypatch):
        monkeypatch.setattr(dead_signals, "CHUNK", 2)
        rows = die(*calls(3))
        models.PendingSignal.objects.update(available_at=NOW_MS)  # as many died at one moment

        assert found() == sorted(rows, key=lambda row: row.pk)


class TestSendAgain:
    def test_makes_them_due_at_once_without_attempts(self, sent):
        recorded, changed, *others = calls(2)
        kept = die(*others)
        die(recorded, changed)

        assert send_again(mail=recorded.mail.pk) == 2
        row = models.PendingSignal.objects.get(state="pending")
        assert (row.attempts, row.available_at <= signal_calls.now_ms()) == (0, True)
        assert row.items == [recorded.item(), changed.item()]
        assert set(models.PendingSignal.objects.filter(state="dead")) == set(kept)

    def test_lets_the_next_sweep_send_them(self, sent):
        die(*calls(2))

        send_again()

        assert dispatch.sweep(USING) == dispatch.SweepResult(sent=4)
        assert not models.PendingSignal.objects.exists()

    def test_fills_rows_with_those_that_failed_alike(self):
        made = calls(40)
        die(*made[:60])
        die(*made[60:], error="KeyError")

        assert send_again() == 80
        rows = models.PendingSignal.objects.all()
        assert sorted((len(row.items), row.last_error) for row in rows) == [
            (10, "ValueError"),
            (20, "KeyError"),
            (25, "ValueError"),
            (25, "ValueError"),
        ]
        assert items() == sorted(call.item() for call in made)

    def test_takes_no_row_that_somebody_else_took_first(self):
        [row, other] = die(*calls(1))
        models.PendingSignal.objects.filter(pk=row.pk).delete()

        assert dead_signals.send_again(USING, [[row, other]], OPERATOR) == 1
        assert dead_signals.send_again(USING, [[row, other]], OPERATOR) == 0
        assert dead_signals.dismiss(USING, [[row, other]], OPERATOR) == 0
        assert items() == [*other.items]

    def test_is_recorded(self):
        recorded, changed = calls(1)
        die(recorded, changed)

        send_again(event=recorded.event.pk)

        record = models.Trail.objects.get()
        assert (record.what, record.via, record.who, record.reason) == (
            "redelivered",
            "command",
            "ops",
            "mended",
        )
        assert (record.rows, record.address_hash) == (2, "")
        assert record.details == {
            "list": "pendingsignal",
            "errors": {"ValueError": 2},
            "events": [str(recorded.event.pk)],
        }


class TestDismiss:
    def test_deletes_them_unsent_and_leaves_a_record(self, sent, caplog):
        recorded, changed, *others = calls(2)
        die(recorded, changed)
        kept = die(*others)

        with caplog.at_level("INFO", "cmc_webhooks"):
            assert dismiss(mail=recorded.mail.pk) == 2

        record = models.Trail.objects.get()
        assert (record.what, record.rows, record.reason) == ("dismissed", 2, "mended")
        assert [entry.cmc_event for entry in caplog.records] == ["dismissed"]
        assert "mended" not in str([vars(entry) for entry in caplog.records])
        assert set(models.PendingSignal.objects.all()) == set(kept)
        dispatch.sweep(USING)
        assert sent == []

    def test_says_so_where_it_was_interrupted(self, monkeypatch):
        monkeypatch.setattr(dead_signals, "CHUNK", 1)
        die(*calls(1))

        def interrupt(number):
            raise KeyboardInterrupt

        chunks = dead_signals.find(USING, Selection())
        with pytest.raises(KeyboardInterrupt):
            dead_signals.dismiss(USING, chunks, OPERATOR, progress=interrupt)

        record = models.Trail.objects.get()
        assert (record.rows, record.details["interrupted"]) == (1, True)
        assert models.PendingSignal.objects.count() == 1


class TestRedeliver:
    """A redelivery settles the dead signals of its events."""

    def settle(self, **conditions):
        return redeliver.redeliver(USING, Selection(**conditions).events(USING), actor=OPERATOR)

    def test_deletes_those_that_it_repeats(self, sent):
        recorded, _, *others = calls(2)
        die(recorded)
        kept = die(*others)
        expected = redeliver.count(Selection(mail=recorded.mail.pk).events(USING))

        assert self.settle(mail=recorded.mail.pk) == expected == (1, 1)
        assert set(models.PendingSignal.objects.filter(state="dead")) == set(kept)
        assert items(state="pending") == [recorded.item()]
        assert models.Trail.objects.get().rows == 1

    def test_sends_a_change_that_was_overtaken_again(self, sent):
        recorded, changed = calls(1)
        models.Mail.objects.update(status="bounced", version=2)
        die(recorded, changed)
        expected = redeliver.count(Selection(event=recorded.event.pk).events(USING))

        assert self.settle(event=recorded.event.pk) == expected == (1, 2)
        assert not models.PendingSignal.objects.filter(state="dead").exists()
        assert items() == sorted([recorded.item(), changed.item()])
        dispatch.sweep(USING)
        assert [name for name, _, _ in sent] == ["event_recorded", "status_changed"]

    def test_leaves_those_of_other_kinds_and_blocks_alone(self):
        block = factories.BlockEventFactory()
        rows = die(SignalCall("event_recorded", block, None), *calls(1))

        self.settle(event_types=("blocks",))

        assert set(models.PendingSignal.objects.filter(state="dead")) == set(rows[1:])

    def test_takes_none_away_before_its_own_are_pending(self, monkeypatch):
        die(*calls(1))

        def fails(*arguments):
            raise KeyboardInterrupt

        monkeypatch.setattr(redeliver, "_enqueue", fails)
        with pytest.raises(KeyboardInterrupt):
            self.settle()

        assert models.PendingSignal.objects.filter(state="dead").count() == 2


@pytest.mark.django_db(transaction=True)
class TestConcurrentOperators:
    @pytest.mark.parametrize("other", [dead_signals.send_again, dead_signals.dismiss])
    def test_take_each_row_once(self, other):
        rows = die(*calls(15))
        chunks = [rows[start : start + 3] for start in range(0, 30, 3)]

        def work(way):
            try:
                return way(USING, chunks, OPERATOR)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(3) as threads:
            again, *others = threads.map(work, [dead_signals.send_again, other, other])

        sent = again + (sum(others) if other is dead_signals.send_again else 0)
        assert again + sum(others) == 30
        assert len(items(state="pending")) == sent
        assert items(state="dead") == []
        assert sum(models.Trail.objects.values_list("rows", flat=True)) == 30
