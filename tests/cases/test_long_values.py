from __future__ import annotations

import json

import pytest

from cmc_webhooks import models
from tests import cases
from tests.conftest import bounce, delivery

pytestmark = pytest.mark.django_db

LONG = {"ascii": "x" * 5000, "kanji": "漢" * 5000, "astral": "😀" * 5000}
long = pytest.mark.parametrize("text", LONG.values(), ids=LONG)
GOOD = delivery("<good@example.com>")


class TestC07:
    def test_a_long_reason_is_whole(self, open_hook, sent):
        answers = cases.play(open_hook, "C07")

        (event,) = cases.recorded("C07.json")
        assert cases.codes(answers) == [200]
        assert len(event["reason"]) == 6000
        assert cases.row("bounce")["reason"] == event["reason"]
        assert len(sent.of("event_recorded")) == 1

    def test_holds_for_a_reason_of_half_a_megabyte(self, open_hook):
        cases.send(open_hook, "bounces", bounce(reason="x" * 500_000), bounce("<b@x>"))

        assert sorted(len(row["reason"]) for row in cases.rows("bounce")) == [22, 500_000]
        assert {len(mail.reason) for mail in models.Mail.objects.all()} == {22, 500_000}


class TestC08:
    def test_a_long_subject_is_whole_and_harms_no_neighbour(self, open_hook, sent):
        answers = cases.play(open_hook, "C08")

        subjects = [event["subject"] for event in cases.recorded("C08.json")]
        assert cases.codes(answers) == [200]
        assert [len(subject) for subject in subjects] == [4, 1000, 4]
        assert [row["subject"] for row in cases.rows("delivery")] == subjects
        assert len(sent.of("event_recorded")) == 3

    @long
    @pytest.mark.parametrize("field", list(delivery()))
    def test_holds_for_each_field_of_a_delivery(self, open_hook, field, text):
        answer = cases.send(open_hook, "deliveries", GOOD, delivery(**{"messageId": "<b@x>", field: text}))

        stored = [row for row in cases.rows("delivery") if row["messageId"] != GOOD["messageId"]]
        whole = [row["event"].extra.get(field, row[field]) for row in stored]
        assert answer.json() == {"new": 2, "repeated": 0, "rejected": 0}
        assert whole == [text]

    @long
    @pytest.mark.parametrize("field", list(bounce()))
    def test_holds_for_each_field_of_a_bounce(self, open_hook, field, text):
        answer = cases.send(
            open_hook, "bounces", bounce("<good@x>"), bounce(**{"messageId": "<b@x>", field: text})
        )

        stored = [row for row in cases.rows("bounce") if row["messageId"] != "<good@x>"]
        whole = [row["event"].extra.get(field, row[field]) for row in stored]
        assert answer.json() == {"new": 2, "repeated": 0, "rejected": 0}
        assert whole == [text]

    @long
    @pytest.mark.parametrize("field", ["created", "email", "to", "status", "occurred", "id", "messageId"])
    def test_holds_for_each_field_of_a_block(self, open_hook, field, text):
        answer = cases.send(open_hook, "blocks", {"email": "a@example.jp"}, {field: text})

        stored = [block.raw for block in models.BlockEvent.objects.all()]
        assert answer.json() == {"new": 2, "repeated": 0, "rejected": 0}
        assert {"email": "a@example.jp"} in stored
        assert {field: text} in stored

    @long
    def test_a_long_word_is_cut_to_its_column_and_whole_beside_it(self, open_hook, text):
        cases.send(open_hook, "deliveries", delivery(status=text, sourceIp=text, senderIp=text, apiData=text))

        event = models.DeliveryEvent.objects.get()
        assert (event.status, event.source_ip, event.sender_ip) == (text[:32], text[:64], text[:64])
        assert (event.mail.status, event.mail.api_data) == (text[:32], text[:255])
        assert event.extra == {"status": text, "sourceIp": text, "senderIp": text, "apiData": text}

    @long
    def test_an_address_is_found_by_its_whole_length(self, open_hook, text):
        address = f"{text}@example.jp"

        cases.send(open_hook, "deliveries", delivery(to=address))

        assert cases.row("delivery")["to"] == address
        assert models.DeliveryEvent.objects.for_address(address).count() == 1
        assert models.Mail.objects.for_address(address).count() == 1

    @long
    def test_a_message_id_ties_bounces_at_any_length(self, open_hook, text):
        cases.send(open_hook, "deliveries", delivery(f"<{text}1>"), delivery(f"<{text}2>"))
        cases.send(open_hook, "bounces", bounce(f"<{text}1>"))

        linked = cases.links(cases.row("bounce"))
        assert [row["messageId"] for row in linked] == [f"<{text}1>"]
        assert models.DeliveryEvent.objects.for_message(f"{text}2").count() == 1

    @long
    def test_holds_for_the_server_composition(self, open_hook, text):
        answer = cases.send(open_hook, "deliveries", delivery(), server_composition=text)

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert cases.row("delivery")["server_composition"] == text
        assert models.Notification.objects.get().server_composition == text[:255]

    @long
    def test_holds_for_the_server_composition_of_a_block(self, open_hook, text):
        answer = cases.send(open_hook, "blocks", {"email": "user@example.jp"}, server_composition=text)

        assert answer.status_code == 200
        assert models.BlockEvent.objects.get().server_composition == text[:255]

    @long
    def test_holds_for_an_event_type_never_seen(self, open_hook, text):
        answer = cases.send(open_hook, text, {"to": "user@example.jp"}, server_composition=text)

        rejected = models.RejectedEvent.objects.get()
        assert answer.json() == {"new": 0, "repeated": 0, "rejected": 1}
        assert (rejected.event_type, rejected.server_composition) == (text[:64], text[:255])

    @long
    def test_what_is_rejected_keeps_64_kilobytes(self, open_hook, text):
        odd = {"to": ["user@example.jp"], "text": text * 20}

        answer = cases.send(open_hook, "deliveries", GOOD, odd)

        raw = models.RejectedEvent.objects.get().raw
        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 1}
        assert json.dumps(odd, ensure_ascii=False).startswith(raw)
        assert 64 * 1024 - 4 < len(raw.encode()) <= 64 * 1024

    def test_long_event_types_that_begin_alike_are_not_one(self, open_hook):
        cases.send(open_hook, "x" * 70 + "a", {"to": "user@example.jp"})
        cases.send(open_hook, "x" * 70 + "b", {"to": "user@example.jp"})

        assert models.RejectedEvent.objects.count() == 2

    def test_a_name_of_any_length_is_kept(self, open_hook):
        answer = cases.send(open_hook, "deliveries", delivery(**{"n" * 70_000: "value"}))

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert models.DeliveryEvent.objects.get().extra == {"n" * 70_000: "value"}
