"""Storing beside faults of the database, and beside others that store the same."""

from __future__ import annotations

import json
import random
import threading

import pytest
from django.db import DataError, IntegrityError, OperationalError, connections

from cmc_webhooks import ingest, models, wire
from cmc_webhooks.db import transactions
from tests.conftest import API_KEY, delivery, in_every_writer
from tests.helpers.receiving import batch_of, receive


@pytest.mark.django_db(transaction=True)
class TestFaults:
    def fail(self, monkeypatch, error, times=10**6, when=bool):
        """Make inserting events fail, the first `times` times that `when` says so."""
        calls = []

        def failing(real):
            def write(using, rows):
                if when(rows.events) and len(calls) < times:
                    calls.append(1)
                    raise error
                real(using, rows)

            return write

        in_every_writer(monkeypatch, "write", failing)
        monkeypatch.setattr("cmc_webhooks.db.transactions.time.sleep", lambda seconds: None)
        return calls

    def test_that_pass_are_tried_again(self, monkeypatch, sent):
        calls = self.fail(monkeypatch, passing_error(), times=3)

        receipt = receive("deliveries", delivery())

        assert (receipt.new, len(calls), len(sent)) == (1, 3, 2)

    def test_that_stay_leave_nothing_behind(self, monkeypatch, sent):
        calls = self.fail(monkeypatch, passing_error())

        with pytest.raises(transactions.Unavailable):
            receive("deliveries", delivery())

        assert len(calls) == transactions.TRIES
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

    @pytest.mark.parametrize(
        "value",
        ["5", '"5"', "1.50", "1e2", "-0", "true", "null", '["5", 5, {"a": 5.0}]', '{"b": 1, "a": "x"}'],
    )
    def test_keep_what_was_sent(self, monkeypatch, value):
        self.fail(monkeypatch, DataError("no"), when=lambda rows: any(row.status == "bad" for row in rows))
        event = json.dumps(delivery(status="bad"))[:-1]
        body = f'{{"event_type": "deliveries", "event": {{"deliveries": [{event}, "n": {value}}}]}}}}'

        receipts = [ingest.receive(wire.decode(body.encode())) for _ in range(2)]

        rejected = models.RejectedEvent.objects.get()
        assert [receipt.rejected for receipt in receipts] == [1, 1]
        assert rejected.raw.endswith(f', "n": {value}}}')

    def test_keep_numbers_and_texts_apart(self, monkeypatch):
        self.fail(monkeypatch, DataError("no"), when=lambda rows: any(row.status == "bad" for row in rows))

        receive("deliveries", delivery(status="bad", n=5), delivery("<b@x>", status="bad", n="5"))

        kept = [json.loads(raw)["n"] for raw in models.RejectedEvent.objects.values_list("raw", flat=True)]
        assert sorted(map(repr, kept)) == ["'5'", "5"]

    @pytest.mark.parametrize("text", ["件名 😀 é", 'a "quoted" \\ text', "\x07\r\n"])
    def test_keep_any_text_as_ascii(self, monkeypatch, text):
        self.fail(monkeypatch, DataError("no"), when=lambda rows: any(row.status == "bad" for row in rows))

        receive("deliveries", delivery(status="bad", note=text, cc=[text]))

        raw = models.RejectedEvent.objects.get().raw
        assert raw.isascii()
        assert (json.loads(raw)["note"], json.loads(raw)["cc"]) == (text, [text])

    def test_keep_no_key_and_no_subject(self, monkeypatch, settings):
        settings.CMC_WEBHOOKS_STORE_SUBJECT = False
        self.fail(monkeypatch, DataError("no"), when=lambda rows: any(row.status == "bad" for row in rows))

        event = delivery(status="bad", api_key=API_KEY, note=f"件 {API_KEY}", cc={"Subject": "秘密"})
        receive("deliveries", event)

        raw = models.RejectedEvent.objects.get().raw
        assert raw.isascii()
        assert json.loads(raw)["note"] == "件 [api_key]"
        assert json.loads(raw)["cc"] == {}
        assert API_KEY not in raw
        assert "subject" not in raw.lower()

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

        with pytest.raises(transactions.Unavailable):
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
