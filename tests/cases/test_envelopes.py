from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import urlencode

import django
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cmc_webhooks import models
from tests import cases
from tests.conftest import CASES, FORM, bounce, delivery

pytestmark = pytest.mark.django_db

MAX_STATEMENTS = 16 if connection.vendor == "sqlite" and django.VERSION < (6,) else 12


def form(event_type, *events, **fields):
    event = json.dumps({event_type: events}, ensure_ascii=False)
    return urlencode(
        {"server_composition": "pro", "event_type": event_type, "event": event} | fields
    ).encode()


def multipart(fields, boundary="a-boundary", newline="\r\n"):
    parts = [
        newline.join([f"--{boundary}", f'Content-Disposition: form-data; name="{name}"', "", value, ""])
        for name, value in fields.items()
    ]
    return ("".join(parts) + f"--{boundary}--{newline}").encode()


class TestC15:
    def test_a_form_is_read(self, open_hook, sent):
        answers = cases.play(open_hook, "C15")

        row = cases.row("delivery")
        assert cases.codes(answers) == [200]
        assert (row["messageId"], row["subject"]) == ("<c15@mta04.example.com>", "テストメール")
        assert row["created"] == datetime(2023, 2, 24, 1, 34, 49, tzinfo=UTC)
        assert len(sent.of("event_recorded")) == 1

    @pytest.mark.parametrize("event_type", ["deliveries", "bounces", "blocks"])
    def test_a_form_and_json_are_one_event(self, open_hook, event_type):
        event = {"deliveries": delivery, "bounces": bounce}.get(event_type, delivery)()

        answers = [
            cases.post(open_hook, form(event_type, event), FORM),
            cases.send(open_hook, event_type, event),
        ]

        assert [answer.json()["new"] for answer in answers] == [1, 0]

    @pytest.mark.parametrize("text", ["a+b", "a&b=c", "100%", "%41", "a;b", '"quoted"', "\\", "a b", "ü"])
    def test_what_forms_escape_arrives_whole(self, open_hook, text):
        cases.post(open_hook, form("deliveries", delivery(subject=text)), FORM)

        assert cases.row("delivery")["subject"] == text

    @pytest.mark.parametrize(
        "content_type", [FORM, f"{FORM}; charset=UTF-8", f"{FORM};charset=utf8", "", "text/html"]
    )
    def test_a_form_is_known_by_its_content(self, open_hook, content_type):
        answer = cases.post(open_hook, form("deliveries", delivery()), content_type)

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}

    def test_fields_may_come_in_any_order_and_with_others(self, open_hook):
        fields = {
            "event": json.dumps({"bounces": [bounce()]}),
            "x": "y",
            "event_type": "bounces",
            "empty": "",
        }

        answer = cases.post(open_hook, urlencode(fields).encode(), FORM)

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}

    @pytest.mark.parametrize("newline", ["\r\n", "\n"], ids=["CRLF", "LF"])
    @pytest.mark.parametrize("preamble", ["", "\r\n", "a preamble\r\n"], ids=["none", "blank line", "text"])
    def test_multipart_is_read(self, open_hook, preamble, newline):
        fields = {"server_composition": "pro", "event_type": "deliveries"}
        fields["event"] = json.dumps({"deliveries": [delivery()]}, ensure_ascii=False)
        body = preamble.encode() + multipart(fields, newline=newline)

        answer = cases.post(open_hook, body, "multipart/form-data; boundary=a-boundary")

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert cases.row("delivery")["subject"] == delivery()["subject"]

    def test_values_with_line_breaks_and_dashes_arrive_whole(self, open_hook):
        event = json.dumps({"deliveries": [delivery(subject="--a-boundary--")]}, indent=1)

        cases.post(
            open_hook,
            multipart({"event_type": "deliveries", "event": event}),
            'multipart/form-data; boundary="a-boundary"',
        )

        assert cases.row("delivery")["subject"] == "--a-boundary--"


class TestC16:
    def test_json_text_inside_json_is_read(self, open_hook, sent):
        answers = cases.play(open_hook, "C16")

        row = cases.row("delivery")
        assert cases.codes(answers) == [200, 400]
        assert (row["messageId"], row["to"], row["subject"]) == (
            "<c16@example.com>",
            "user@example.jp",
            "Test",
        )
        assert len(sent.of("event_recorded")) == 1

    def test_it_is_the_same_event_as_the_object(self, open_hook):
        text = json.loads((CASES / "C16-1.json").read_text())["event"]

        cases.play(open_hook, "C16")
        answer = cases.send(open_hook, "deliveries", event=json.loads(text))

        assert answer.json() == {"new": 0, "repeated": 1, "rejected": 0}

    @pytest.mark.parametrize("text", ["x", "", " ", "{", '{"deliveries":[}', "[]", "null", "1", '"{}"', "\0"])
    def test_text_that_is_no_object_is_refused(self, open_hook, text):
        answers = [
            cases.send(open_hook, "deliveries", event=text),
            cases.post(open_hook, urlencode({"event_type": "deliveries", "event": text}).encode(), FORM),
        ]

        assert cases.codes(answers) == [400, 400]
        assert cases.stored() == {}

    @pytest.mark.parametrize("space", [" ", "\n", "\t", "\ufeff"], ids=["blank", "newline", "tab", "BOM"])
    def test_blanks_and_a_mark_before_the_text_are_skipped(self, open_hook, space):
        answer = cases.send(open_hook, "bounces", event=space + json.dumps({"bounces": [bounce()]}))

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}


class TestC17:
    def test_an_empty_batch_is_taken(self, open_hook, sent):
        answers = cases.play(open_hook, "C17")

        assert [answer.json() for answer in answers] == [{"new": 0, "repeated": 0, "rejected": 0}] * 2
        assert cases.stored() == {"Notification": 2}
        assert sent == []

    @pytest.mark.parametrize("event_type", ["deliveries", "bounces", "blocks", "opens"])
    def test_holds_for_every_type_and_format(self, open_hook, event_type):
        answers = [
            cases.send(open_hook, event_type),
            cases.post(open_hook, form(event_type), FORM),
            cases.send(open_hook, event_type, event={event_type: [], "other": []}),
        ]

        assert [answer.json() for answer in answers] == [{"new": 0, "repeated": 0, "rejected": 0}] * 3


class TestC18:
    def test_each_of_100_events_is_stored(self, open_hook, sent):
        answers = cases.play(open_hook, "C18")

        ids = {row["messageId"] for row in cases.rows("delivery")}
        assert answers[0].json() == {"new": 100, "repeated": 0, "rejected": 0}
        assert ids == {f"<c18-{number:03}@example.com>" for number in range(100)}
        assert len(sent.of("event_recorded")) == 100

    @pytest.mark.parametrize("numbers", [range(1), range(100)], ids=["1", "100"])
    def test_the_statements_are_few_and_do_not_grow(self, open_hook, numbers):
        events = [event for number, event in enumerate(cases.recorded("C18.json")) if number in numbers]
        cases.send(open_hook, "deliveries", delivery())

        with CaptureQueriesContext(connection) as statements:
            cases.send(open_hook, "deliveries", *events)

        written = [each["sql"] for each in statements if "SAVEPOINT" not in each["sql"]]
        assert models.DeliveryEvent.objects.count() == len(numbers) + 1
        assert len(written) <= MAX_STATEMENTS

    def test_holds_for_bounces_and_blocks_and_for_one_mail(self, open_hook, sent):
        times = [f"2023-01-25 14:{number // 60:02}:{number % 60:02}" for number in range(100)]

        cases.send(open_hook, "bounces", *[bounce(created=time) for time in times])
        cases.send(open_hook, "blocks", *[{"email": "a@example.jp", "created": time} for time in times])

        assert cases.stored() == {"Mail": 1, "BounceEvent": 100, "BlockEvent": 100, "Notification": 2}
        assert len(sent.of("event_recorded")) == 200
        assert len(sent.of("status_changed")) == 1


class TestC19:
    @pytest.mark.parametrize(
        "number", range(4), ids=["text/plain", "form header", "json header", "no header"]
    )
    def test_the_content_decides_before_the_header(self, open_hook, number):
        request = cases.INDEX["C19"]["requests"][number]

        answer = cases.post(open_hook, (CASES / request["file"]).read_bytes(), request["content_type"])

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert cases.row("delivery")["messageId"] == "<c19@example.com>"

    @pytest.mark.parametrize(
        "content_type",
        ["", "x", "/", ";", "application/json;", "APPLICATION/JSON", "application/json; charset",
         "a/b; charset=",
         "multipart/form-data", "multipart/form-data; boundary=x", "text/html; q=1",
         "application/x-ndjson", "é/ü"],
    )  # fmt: skip
    @pytest.mark.parametrize("name", ["C19-1.json", "C19-3.form"])
    def test_holds_for_every_header(self, open_hook, name, content_type):
        answer = cases.post(open_hook, (CASES / name).read_bytes(), content_type)

        assert answer.status_code == 200, answer.content
        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}

    def test_multipart_is_known_without_its_header(self, open_hook):
        fields = {"event_type": "deliveries", "event": json.dumps({"deliveries": [delivery()]})}

        answers = [cases.post(open_hook, multipart(fields), kind) for kind in ("", "application/json", FORM)]

        assert [answer.json()["new"] for answer in answers] == [1, 0, 0]


class TestD02:
    """Two lists in one notification."""

    def test_both_lists_are_stored(self, open_hook, sent):
        answers = [cases.play(open_hook, "D02")[0] for _ in range(2)]

        assert [answer.json() for answer in answers] == [
            {"new": 2, "repeated": 0, "rejected": 0},
            {"new": 0, "repeated": 2, "rejected": 0},
        ]
        assert cases.row("delivery")["messageId"] == "<d02a@example.com>"
        assert cases.row("bounce")["messageId"] == "<d02b@example.com>"
        assert len(sent.of("event_recorded")) == 2

    @pytest.mark.parametrize("event_type", ["deliveries", "bounces", "blocks"])
    @pytest.mark.parametrize("is_text", [False, True], ids=["object", "text"])
    def test_holds_for_every_type_and_for_all_three(self, open_hook, event_type, is_text):
        event = {
            "blocks": [{"email": "a@example.jp"}],
            "bounces": [bounce(), "odd"],
            "deliveries": [delivery(), delivery(status="succeeded")],
        }

        answer = cases.send(open_hook, event_type, event=json.dumps(event) if is_text else event)

        assert answer.json() == {"new": 4, "repeated": 0, "rejected": 1}
        assert cases.stored() == {
            "Mail": 1, "DeliveryEvent": 2, "BounceEvent": 1, "BlockEvent": 1,
            "RejectedEvent": 1, "Notification": 3,
        }  # fmt: skip

    def test_holds_for_a_form(self, open_hook):
        event = json.dumps({"deliveries": [delivery()], "bounces": [bounce()]})

        answer = cases.post(open_hook, urlencode({"event_type": "bounces", "event": event}).encode(), FORM)

        assert answer.json() == {"new": 2, "repeated": 0, "rejected": 0}

    def test_each_event_has_the_key_that_it_has_alone(self, open_hook):
        cases.play(open_hook, "D02")

        answers = [
            cases.send(open_hook, name, *json.loads((CASES / "D02.json").read_text())["event"][name])
            for name in ("deliveries", "bounces")
        ]

        assert [answer.json()["repeated"] for answer in answers] == [1, 1]

    def test_a_list_of_a_type_never_seen_is_kept(self, open_hook):
        answer = cases.send(
            open_hook, "deliveries", event={"deliveries": [delivery()], "opens": [{"to": "a"}]}
        )

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 1}
        assert models.RejectedEvent.objects.get().event_type == "opens"

    @pytest.mark.parametrize(
        "beside",
        ['"count": 1', '"bounces": {}', '"bounces": "x"', '"a": 1, "a": [1]', '"bounces": null', '"": []'],
    )
    def test_what_is_no_list_beside_it_costs_nothing(self, open_hook, beside):
        event = f'{{"deliveries": {json.dumps([delivery()])}, {beside}}}'

        answer = cases.send(open_hook, "deliveries", event=event)

        assert answer.status_code == 200
        assert answer.json()["new"] == 1

    def test_the_list_of_its_type_given_twice_is_refused(self, open_hook):
        event = f'{{"deliveries": {json.dumps([delivery()])}, " deliveries": []}}'

        answer = cases.send(open_hook, "deliveries", event=event)

        assert answer.status_code == 400
        assert cases.stored() == {}

    def test_the_limit_counts_all_lists(self, open_hook, settings):
        settings.CMC_WEBHOOKS_MAX_EVENTS = 2
        event = {"deliveries": [delivery(), delivery(status="failed")], "bounces": [bounce()]}

        answer = cases.send(open_hook, "deliveries", event=event)

        assert answer.status_code == 413
        assert cases.stored() == {}
