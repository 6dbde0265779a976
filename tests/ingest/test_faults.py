"""Storing beside faults of the database, and beside others that store the same."""

from __future__ import annotations

import json
import random
import threading

import pytest
from django.db import DataError, IntegrityError, OperationalError, connections

from cmc_webhooks import durable, ingest, models
from tests.conftest import delivery, in_every_way
from tests.receiving import batch_of, receive


@pytest.mark.django_db(transaction=True)
class TestFaults:
    def fail(self, monkeypatch, error, times=10**6, when=bool):
        """Make inserting events fail, the first `times` times that `when` says so."""
        calls = []

        def failing(real):
            def write(using, notification, events, *rest):
                if when(events) and len(calls) < times:
                    calls.append(1)
                    raise error
                real(using, notification, events, *rest)

            return write

        in_every_way(monkeypatch, "write", failing)
        monkeypatch.setattr("cmc_webhooks.durable.time.sleep", lambda seconds: None)
        return calls

    def test_that_pass_are_tried_again(self, monkeypatch, sent):
        calls = self.fail(monkeypatch, passing_error(), times=3)

        receipt = receive("deliveries", delivery())

        assert (receipt.new, len(calls), len(sent)) == (1, 3, 2)

    def test_that_stay_leave_nothing_behind(self, monkeypatch, sent):
        calls = self.fail(monkeypatch, passing_error())

        with pytest.raises(durable.Unavailable):
            receive("deliveries", delivery())

        assert len(calls) == durable.TRIES
        assert not models.Mail.objects.exists()
        assert not models.Notification.objects.exists()
        assert sent == []

    def test_of_one_event_reject_it_alone(self, monkeypatch, sent, caplog):
        self.fail(monkeypatch, DataError("no"), when=lambda rows: any(row.status == "bad" for row in rows))
        events = batch_of(10)
        events[6]["status"] = "bad"

        receipt = receive("deliveries", *events)

        rejected = models.RejectedEvent.objects.get()
        assert receipt == ingest.Receipt(new=9, repeated=0, rejected=1)
        assert (rejected.position, rejected.error) == (6, "event.deliveries[6]: the database refuses it")
        assert json.loads(rejected.raw)["messageId"] == "<m6@example.com>"
        assert models.DeliveryEvent.objects.count() == 9
        assert len(sent.of("event_recorded")) == 9
        assert "example.jp" not in caplog.text

    def test_of_letters_above_the_bmp_cost_those_letters_only(self, monkeypatch):
        self.fail(monkeypatch, DataError("no"), when=lambda rows: any("😀" in row.reason for row in rows))

        receipt = receive("deliveries", delivery(reason="a 😀"), delivery("<m2@example.com>", subject="😀"))

        assert receipt == ingest.Receipt(new=2, repeated=0, rejected=0)
        assert models.Mail.objects.for_message("m1@example.com").get().reason == "a \ufffd"
        assert models.Mail.objects.for_message("m2@example.com").get().subject == "😀"

    def test_of_a_lasting_conflict_end_in_a_rejection(self, monkeypatch):
        self.fail(monkeypatch, IntegrityError("twice"))

        assert receive("deliveries", delivery()) == ingest.Receipt(new=0, repeated=0, rejected=1)

    def test_of_all_data_leave_it_to_the_sender(self, monkeypatch):
        self.fail(monkeypatch, DataError("no"), when=lambda events: True)

        with pytest.raises(durable.Unavailable):
            receive("deliveries", delivery())


def passing_error():
    """An error of the database at hand that means: try again."""
    error = OperationalError(1213, "Deadlock found")
    error.__cause__ = type("Cause", (Exception,), {"sqlstate": "40P01", "sqlite_errorcode": 5})()
    return error


@pytest.mark.django_db(transaction=True)
class TestRivals:
    def test_with_overlapping_batches_store_each_event_once(self, sent):
        events = [
            delivery(f"<m{n}@example.com>", status=status)
            for n in range(30)
            for status in ("queued", "succeeded")
        ]
        failures = []
        barrier = threading.Barrier(8)

        def post(seed):
            mine = random.Random(seed).sample(events, 40)  # noqa: S311 - a shuffle
            try:
                barrier.wait(timeout=30)
                receive("deliveries", *mine)
            except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
                failures.append(error)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=post, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        receive("deliveries", *events)

        assert failures == []
        assert models.DeliveryEvent.objects.count() == 60
        assert set(models.Mail.objects.values_list("status", flat=True)) == {"succeeded"}
        assert len(sent.of("event_recorded")) == 60
        assert len({arguments["event"].pk for arguments in sent.of("event_recorded")}) == 60
