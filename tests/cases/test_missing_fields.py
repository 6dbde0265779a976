from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest

from cmc_webhooks import models
from tests import cases
from tests.conftest import FORM, bounce, delivery

pytestmark = pytest.mark.django_db

MISSING = object()
BUILDERS = {"deliveries": delivery, "bounces": bounce}
KINDS = {"deliveries": "delivery", "bounces": "bounce"}
FIELDS = [(name, field) for name, build in BUILDERS.items() for field in build()]
each_field = pytest.mark.parametrize(("event_type", "field"), FIELDS)
SCALARS = {
    "null": ("null", ""),
    "empty": ('""', ""),
    "integer": ("17", "17"),
    "zero": ("0", "0"),
    "negative": ("-1", "-1"),
    "decimal": ("2.50", "2.50"),
    "exponent": ("1e400", "1e400"),
    "32 digits": ("9" * 32, "9" * 32),
    "true": ("true", "true"),
    "false": ("false", "false"),
}
scalar = pytest.mark.parametrize(("literal", "right"), SCALARS.values(), ids=SCALARS)
containers = pytest.mark.parametrize(
    "value", [[], ["a@example.jp"], {}, {"x": 1}], ids=["[]", "[text]", "{}", "{x}"]
)


def body(event_type, *events, **frame):
    """A JSON body in which the texts `LITERAL` and "LITERAL" can be replaced."""
    return json.dumps(
        {"event_type": event_type, "server_composition": "pro", "event": {event_type: events}, **frame}
    )


class TestC09:
    def test_null_is_empty(self, open_hook, sent):
        answers = cases.play(open_hook, "C09")

        row = cases.row("delivery")
        assert cases.codes(answers) == [200]
        assert [row[name] for name in ("subject", "reason", "apiData", "sourceIp", "senderIp")] == [""] * 5
        assert row["event"].extra == {}
        assert len(sent.of("event_recorded")) == 1

    @scalar
    @each_field
    def test_each_field_takes_each_scalar_as_text(self, open_hook, event_type, field, literal, right):
        event = BUILDERS[event_type](**{"messageId": "<b@x>", field: "LITERAL"})
        text = body(event_type, BUILDERS[event_type]("<good@x>"), event).replace('"LITERAL"', literal)

        answer = cases.post(open_hook, text.encode())

        stored = [row for row in cases.rows(KINDS[event_type]) if row["messageId"] != "<good@x>"]
        assert answer.json() == {"new": 2, "repeated": 0, "rejected": 0}
        if field == "created":
            assert [row["created"] == row["event"].received_at for row in stored] == [True]
            assert stored[0]["event"].extra == ({"created": right} if right else {})
        else:
            assert [row[field] for row in stored] == [right]

    @containers
    @each_field
    def test_a_list_or_an_object_for_a_text_is_rejected_alone(
        self, open_hook, sent, event_type, field, value
    ):
        before, after = (BUILDERS[event_type](name) for name in ("<a@x>", "<c@x>"))
        odd = BUILDERS[event_type](**{"messageId": "<b@x>", field: value})

        answer = cases.send(open_hook, event_type, before, odd, after)

        rejected = models.RejectedEvent.objects.get()
        assert answer.json() == {"new": 2, "repeated": 0, "rejected": 1}
        assert [row["messageId"] for row in cases.rows(KINDS[event_type])] == ["<a@x>", "<c@x>"]
        assert rejected.position == 1
        assert f"event.{event_type}[1]" in rejected.error
        assert field in rejected.error
        assert len(sent.of("event_recorded")) == 2

    @scalar
    @pytest.mark.parametrize("field", ["created", "email", "to", "status", "occurred", "id"])
    def test_each_field_of_a_block_takes_each_scalar(self, open_hook, field, literal, right):
        text = body("blocks", {"note": "kept", field: "LITERAL"}).replace('"LITERAL"', literal)

        answer = cases.post(open_hook, text.encode())

        raw = models.BlockEvent.objects.get().raw
        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert (raw["note"], raw[field] or "") == ("kept", right)

    @pytest.mark.parametrize("value", [["a@example.jp", "b@example.jp"], {"x": "1"}], ids=["list", "object"])
    @pytest.mark.parametrize("field", ["created", "email", "to", "status", "occurred", "id"])
    def test_a_block_requires_nothing_and_keeps_all(self, open_hook, field, value):
        block = {"note": "kept", field: value}

        answer = cases.send(open_hook, "blocks", block)

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert models.BlockEvent.objects.get().raw == block

    @pytest.mark.parametrize(
        ("literal", "kept"),
        [
            ("null", {}),
            ('""', {}),
            ("true", {"new": "true"}),
            ("2.50", {"new": "2.50"}),
            ('[1, null, "x"]', {"new": ["1", None, "x"]}),
            ('{"a": {"b": [false]}}', {"new": {"a": {"b": ["false"]}}}),
        ],
    )
    def test_fields_never_seen_are_kept(self, open_hook, literal, kept):
        text = body("deliveries", delivery(new="LITERAL")).replace('"LITERAL"', literal)

        cases.post(open_hook, text.encode())

        assert models.DeliveryEvent.objects.get().extra == kept

    @pytest.mark.parametrize("literal", ["null", '""', "17", "true", "[]", "{}", '["deliveries"]'])
    def test_an_event_type_must_be_text(self, open_hook, literal):
        text = body("deliveries", delivery()).replace(
            '"event_type": "deliveries"', f'"event_type": {literal}'
        )

        answer = cases.post(open_hook, text.encode())

        assert answer.status_code == 400
        assert cases.stored() == {}

    @pytest.mark.parametrize(
        ("literal", "right"), [("null", ""), ('""', ""), ("17", "17"), ("true", "true"), ("2.50", "2.50")]
    )
    def test_a_server_composition_may_be_any_scalar(self, open_hook, literal, right):
        text = body("deliveries", delivery()).replace(
            '"server_composition": "pro"', f'"server_composition": {literal}'
        )

        answer = cases.post(open_hook, text.encode())

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert cases.row("delivery")["server_composition"] == right

    @pytest.mark.parametrize("literal", ["[]", "{}", '["pro"]', '{"pro": 1}'])
    def test_a_server_composition_is_no_container(self, open_hook, literal):
        text = body("deliveries", delivery()).replace(
            '"server_composition": "pro"', f'"server_composition": {literal}'
        )

        answer = cases.post(open_hook, text.encode())

        assert answer.status_code == 400
        assert b"server_composition" in answer.content
        assert cases.stored() == {}

    @pytest.mark.parametrize(
        "value", [None, True, 17, 2.5, [], {}, ["s3cret-value"], {"s3cret-value": 1}], ids=str
    )
    def test_an_api_key_of_any_kind_is_a_wrong_one(self, open_hook, settings, value):
        settings.CMC_WEBHOOKS_API_KEYS = ["s3cret-value", "None", "null"]

        answer = cases.send(open_hook, "deliveries", delivery(), api_key=value)

        assert answer.status_code == 403
        assert cases.stored() == {}

    @pytest.mark.parametrize("value", [None, True, 17, 2.5, [], ["x"], {}, "", "x", "[]", "17"], ids=repr)
    def test_an_event_must_be_an_object(self, open_hook, value):
        answer = cases.send(open_hook, "deliveries", event=value)

        assert answer.status_code == 400
        assert b"event" in answer.content
        assert cases.stored() == {}

    @pytest.mark.parametrize("value", [None, True, 17, "text", {}, {"0": {}}], ids=repr)
    def test_the_container_must_be_a_list(self, open_hook, value):
        answer = cases.send(open_hook, "deliveries", event={"deliveries": value})

        assert answer.status_code == 400
        assert b"event.deliveries" in answer.content
        assert cases.stored() == {}


class TestC10:
    def test_absent_fields_are_empty(self, open_hook, sent):
        answers = cases.play(open_hook, "C10")

        row = cases.row("bounce")
        assert cases.codes(answers) == [200]
        assert (row["apiData"], row["status"], row["to"]) == ("", "1", "user@example")
        assert len(sent.of("event_recorded")) == 1

    @each_field
    def test_holds_for_each_field(self, open_hook, event_type, field):
        event = {name: value for name, value in BUILDERS[event_type]().items() if name != field}

        answer = cases.send(open_hook, event_type, event)

        row = cases.row(KINDS[event_type])
        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert row[field] == (row["event"].received_at if field == "created" else "")
        assert row["event"].extra == {}

    @pytest.mark.parametrize("event_type", ["deliveries", "bounces", "blocks"])
    def test_an_event_without_any_field_is_stored(self, open_hook, sent, event_type):
        answer = cases.send(open_hook, event_type, {})

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert len(sent.of("event_recorded")) == 1

    def test_events_without_a_message_id_are_not_tied_together(self, open_hook):
        cases.send(open_hook, "deliveries", delivery(""), delivery("", to="b@example.jp"))
        cases.send(open_hook, "bounces", bounce(""))

        assert models.Mail.objects.count() == 3
        assert cases.links(cases.row("bounce")) == []


class TestC11:
    def test_version_1_names_are_read(self, open_hook):
        answers = cases.play(open_hook, "C11")

        row = cases.row("delivery")
        assert cases.codes(answers) == [200]
        assert (row["to"], row["returnPath"], row["from"]) == ("to1@example.jp", "from1@example.com", "")
        assert (row["apiData"], row["sourceIp"], row["status"]) == ("", "192.0.2.10", "queued")
        assert row["event"].extra == {}

    def test_holds_for_bounces_and_forms(self, open_hook):
        event = {
            "created": "2023-01-25 14:05:15",
            "messageId": "<c11@node1>",
            "status": "1",
            "reason": "host unknown",
        }
        event |= {"envelopeFrom": "from1@example.com", "envelopeTo": "to1@example.jp", "subject": "Test"}
        form = {
            "server_composition": "pro",
            "event_type": "bounces",
            "event": json.dumps({"bounces": [event]}),
        }

        cases.play(open_hook, "C11")
        answer = cases.post(open_hook, urlencode(form).encode(), FORM)

        row = cases.row("bounce")
        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert (row["to"], row["returnPath"], row["status"]) == ("to1@example.jp", "from1@example.com", "1")
        assert [linked["to"] for linked in cases.links(row)] == ["to1@example.jp"]

    def test_both_versions_of_one_event_are_one(self, open_hook):
        (event,) = cases.recorded("C11.json")
        version_2 = {name: value for name, value in event.items() if not name.startswith("envelope")}
        version_2 |= {"to": event["envelopeTo"], "returnPath": event["envelopeFrom"]}

        cases.play(open_hook, "C11")
        answer = cases.send(open_hook, "deliveries", version_2)

        assert answer.json() == {"new": 0, "repeated": 1, "rejected": 0}

    def test_where_versions_disagree_nothing_is_lost(self, open_hook):
        cases.send(open_hook, "deliveries", delivery(envelopeTo="other@example.jp"))

        row = cases.row("delivery")
        assert row["to"] == "user@example.jp"
        assert row["event"].extra == {"envelopeTo": "other@example.jp"}
