from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest

from cmc_webhooks import models
from tests import cases
from tests.cases import DELIVERY_FIELDS, REPLACEMENT
from tests.conftest import FORM, bounce, delivery

pytestmark = pytest.mark.django_db

BOUNCE_FIELDS = ("messageId", "from", "to", "returnPath", "subject", "apiData", "status", "reason")
UNSTORABLE = {
    "NUL": ("a\0b", f"a{REPLACEMENT}b"),
    "high surrogate": ("a\ud83db", f"a{REPLACEMENT}b"),
    "low surrogate": ("a\ude00b", f"a{REPLACEMENT}b"),
    "swapped pair": ("a\ude00\ud83db", f"a{REPLACEMENT}{REPLACEMENT}b"),
    "only a NUL": ("\0", REPLACEMENT),
}
unstorable = pytest.mark.parametrize(("text", "right"), UNSTORABLE.values(), ids=UNSTORABLE)


class TestC01:
    def test_a_nul_becomes_a_replacement_character(self, open_hook, sent):
        answers = cases.play(open_hook, "C01")

        assert cases.codes(answers) == [200]
        assert cases.row("bounce")["reason"] == f"550 user{REPLACEMENT}unknown"
        assert len(sent.of("event_recorded")) == 1

    @unstorable
    @pytest.mark.parametrize("field", DELIVERY_FIELDS)
    def test_holds_for_each_field_of_a_delivery(self, open_hook, sent, field, text, right):
        answer = cases.send(
            open_hook,
            "deliveries",
            delivery("<good@example.com>"),
            delivery(**{"messageId": "<z@x>", field: text}),
        )

        stored = [row[field] for row in cases.rows("delivery") if row["messageId"] != "<good@example.com>"]
        assert answer.json() == {"new": 2, "repeated": 0, "rejected": 0}
        assert stored == [right]
        assert len(sent.of("event_recorded")) == 2

    @unstorable
    @pytest.mark.parametrize("field", BOUNCE_FIELDS)
    def test_holds_for_each_field_of_a_bounce(self, open_hook, sent, field, text, right):
        answer = cases.send(open_hook, "bounces", bounce(**{field: text}))

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert cases.row("bounce")[field] == right
        assert len(sent.of("event_recorded")) == 1

    @unstorable
    @pytest.mark.parametrize("field", ["email", "to", "status", "occurred", "id", "created"])
    def test_holds_for_each_field_of_a_block(self, open_hook, sent, field, text, right):
        block = {"created": "2023-01-25 14:10:00", field: text, f"new {text}": text}

        answer = cases.send(open_hook, "blocks", block)

        stored = models.BlockEvent.objects.get()
        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert stored.raw == {"created": "2023-01-25 14:10:00", field: right, f"new {right}": right}
        assert len(sent.of("event_recorded")) == 1

    @unstorable
    def test_holds_for_created_which_is_then_unusable(self, open_hook, text, right):
        answer = cases.send(open_hook, "deliveries", delivery(created=text))

        event = models.DeliveryEvent.objects.get()
        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert event.occurred_at == event.received_at
        assert event.extra == {"created": right}

    @unstorable
    def test_holds_for_names_and_values_of_fields_never_seen(self, open_hook, text, right):
        odd = {f"name {text}": text, "deep": [{text: [text]}]}

        answer = cases.send(open_hook, "deliveries", delivery(**odd))

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert models.DeliveryEvent.objects.get().extra == {
            f"name {right}": right,
            "deep": [{right: [right]}],
        }

    @unstorable
    def test_holds_for_the_server_composition(self, open_hook, text, right):
        answer = cases.send(open_hook, "deliveries", delivery(), server_composition=text)

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert cases.row("delivery")["server_composition"] == right
        assert models.Notification.objects.get().server_composition == right

    @unstorable
    def test_holds_for_an_event_type_never_seen(self, open_hook, text, right):
        answer = cases.send(open_hook, f"new {text}", {"to": "user@example.jp"})

        assert answer.status_code == 200, answer.content
        assert answer.json() == {"new": 0, "repeated": 0, "rejected": 1}
        assert models.RejectedEvent.objects.get().event_type == f"new {right}"

    @unstorable
    def test_holds_for_what_is_rejected(self, open_hook, text, right):
        answer = cases.send(open_hook, "deliveries", {"to": [text], f"name {text}": text})

        rejected = models.RejectedEvent.objects.get()
        assert answer.json() == {"new": 0, "repeated": 0, "rejected": 1}
        assert json.loads(rejected.raw) == {"to": [right], f"name {right}": right}

    @unstorable
    def test_holds_for_fields_of_the_frame_never_seen(self, open_hook, text, right):
        answer = cases.send(open_hook, "deliveries", delivery(), **{f"name {text}": text})

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert right not in json.dumps(cases.row("delivery")["event"].extra, ensure_ascii=False)

    @unstorable
    def test_an_unstorable_key_is_a_wrong_key(self, open_hook, settings, text, right):
        settings.CMC_WEBHOOKS_API_KEYS = [f"a{REPLACEMENT}b", "the-right-key-of-this-test"]

        answer = cases.send(open_hook, "deliveries", delivery(), api_key=text)

        assert answer.status_code == 403
        assert cases.stored() == {}

    def test_an_escaped_nul_inside_a_form_is_the_same_event(self, open_hook):
        event = {"bounces": cases.recorded("C01.json")}
        form = {"event_type": "bounces", "server_composition": "pro", "event": json.dumps(event)}

        cases.play(open_hook, "C01")
        answer = cases.post(open_hook, urlencode(form).encode(), FORM)

        assert answer.json() == {"new": 0, "repeated": 1, "rejected": 0}


class TestC02:
    def test_half_a_surrogate_pair_becomes_a_replacement_character(self, open_hook, sent):
        answers = cases.play(open_hook, "C02")

        subjects = [row["subject"] for row in cases.rows("delivery")]
        assert cases.codes(answers) == [200]
        assert subjects == [f"Hi {REPLACEMENT} there", "ok 😀"]
        assert [subject.encode().decode() for subject in subjects] == subjects
        assert len(sent.of("event_recorded")) == 2


class TestC03:
    def test_a_byte_that_is_no_utf_8_becomes_a_replacement_character(self, open_hook, sent):
        answers = cases.play(open_hook, "C03")

        assert cases.codes(answers) == [200]
        assert cases.row("delivery")["subject"] == f"Caf{REPLACEMENT}"
        assert len(sent.of("event_recorded")) == 1

    @pytest.mark.parametrize(
        "damage", [b"\xe9", b"\xff", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xed\xa0\xbd", b"\xe3\x83"]
    )
    def test_holds_for_every_damage_in_json_and_form(self, open_hook, damage):
        body = json.dumps({"deliveries": [delivery(subject="DAMAGE"), delivery("<b@x>")]}).encode()
        as_json = b'{"event_type":"deliveries","server_composition":"pro","event":%s}' % body
        as_form = urlencode({"event_type": "deliveries", "server_composition": "pro", "event": body}).encode()
        percent = "".join(f"%{byte:02X}" for byte in damage).encode()

        answers = [
            cases.post(open_hook, as_json.replace(b"DAMAGE", damage)),
            cases.post(open_hook, as_form.replace(b"DAMAGE", percent), FORM),
        ]

        subjects = {row["messageId"]: row["subject"] for row in cases.rows("delivery")}
        assert [answer.json() for answer in answers] == [
            {"new": 2, "repeated": 0, "rejected": 0},
            {"new": 0, "repeated": 2, "rejected": 0},
        ]
        assert subjects["<m1@example.com>"] == damage.decode(errors="replace")
        assert subjects["<b@x>"] == delivery()["subject"]


class TestC04:
    def test_characters_outside_the_bmp_are_kept(self, open_hook):
        answers = cases.play(open_hook, "C04")

        assert cases.codes(answers) == [200]
        assert cases.row("delivery")["subject"] == "𠮷野家 😀 テスト"

    @pytest.mark.parametrize("field", DELIVERY_FIELDS)
    def test_holds_for_each_field(self, open_hook, field):
        answer = cases.send(open_hook, "deliveries", delivery(**{field: "𠮷 😀"}))

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert cases.row("delivery")[field] == "𠮷 😀"

    def test_holds_for_frame_blocks_and_what_is_rejected(self, open_hook):
        cases.send(open_hook, "blocks", {"email": "😀@example.jp", "𠮷": "😀"}, server_composition="𠮷")
        cases.send(open_hook, "opens 😀", {"𠮷": "😀"}, server_composition="𠮷")

        block, rejected = models.BlockEvent.objects.get(), models.RejectedEvent.objects.get()
        assert (block.address, block.raw) == ("😀@example.jp", {"email": "😀@example.jp", "𠮷": "😀"})
        assert (rejected.event_type, json.loads(rejected.raw)) == ("opens 😀", {"𠮷": "😀"})
