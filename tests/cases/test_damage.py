from __future__ import annotations

import gzip
import json
import zlib
from urllib.parse import urlencode

import pytest

from cmc_webhooks import event_types, models, wire
from cmc_webhooks.reprocessing import rejections
from tests import cases
from tests.conftest import API_KEY, CASES, FORM, delivery

pytestmark = pytest.mark.django_db

BOM = b"\xef\xbb\xbf"


def body(event_text, event_type="deliveries"):
    return b'{"event_type": "%s", "server_composition": "pro", "event": %s}' % (
        event_type.encode(),
        event_text.encode(),
    )


def nested(depth, opening="[", closing="]"):
    return opening * depth + '"x"' + closing * depth


def both_formats(open_hook, event_text, event_type="deliveries"):
    """The answers to one event as an object in JSON, as text in JSON, and in a form."""
    form = urlencode({"event_type": event_type, "server_composition": "pro", "event": event_text}).encode()
    return [
        cases.post(open_hook, body(event_text, event_type)),
        cases.post(open_hook, body(json.dumps(event_text), event_type)),
        cases.post(open_hook, form, FORM),
    ]


class TestC20:
    def test_a_byte_order_mark_is_skipped(self, open_hook, sent):
        answers = cases.play(open_hook, "C20")

        assert cases.codes(answers) == [200]
        assert cases.row("delivery")["messageId"] == "<c20@example.com>"
        assert len(sent.of("event_recorded")) == 1

    @pytest.mark.parametrize("before", [BOM, BOM + b"\r\n", b" \n\t", b"\n\n"], ids=repr)
    @pytest.mark.parametrize("name", ["C19-1.json", "C19-3.form"])
    @pytest.mark.parametrize("content_type", ["application/json", FORM, ""])
    def test_holds_for_blanks_forms_and_every_header(self, open_hook, name, content_type, before):
        answer = cases.post(open_hook, before + (CASES / name).read_bytes() + b"\r\n", content_type)

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}


class TestC21:
    def test_deep_nesting_is_refused(self, open_hook, sent):
        answers = cases.play(open_hook, "C21")

        assert cases.codes(answers) == [400]
        assert cases.stored() == {}
        assert sent == []

    @pytest.mark.parametrize(
        ("opening", "closing"),
        [("[", "]"), ("[", ""), ('{"a":', "}"), ('{"a":', "")],
        ids=["[]", "[", "{}", "{"],
    )
    @pytest.mark.parametrize("depth", [21, 1000, 100_000])
    def test_holds_wherever_the_text_is(self, open_hook, depth, opening, closing):
        answers = both_formats(open_hook, nested(depth, opening, closing))

        assert cases.codes(answers) == [400, 400, 400]
        assert cases.stored() == {}

    def test_brackets_alone_are_refused(self, open_hook):
        answers = [cases.post(open_hook, b"[" * 1_000_000), cases.post(open_hook, b'{"a":' * 200_000)]

        assert cases.codes(answers) == [400, 400]

    def test_nesting_of_20_is_read(self, open_hook):
        text = '{"deliveries": [{"messageId": "<a@x>", "new": %s}]}'

        answers = [
            cases.post(open_hook, body(text % nested(16))),
            cases.post(open_hook, body(text % nested(17))),
            cases.post(
                open_hook, urlencode({"event_type": "deliveries", "event": text % nested(17)}).encode(), FORM
            ),
            cases.post(
                open_hook, urlencode({"event_type": "deliveries", "event": text % nested(18)}).encode(), FORM
            ),
        ]

        assert cases.codes(answers) == [200, 400, 200, 400]


class TestC22:
    def test_a_compressed_body_is_not_taken(self, open_hook, sent):
        answers = cases.play(open_hook, "C22")

        assert cases.codes(answers) == [415]
        assert cases.stored() == {}
        assert sent == []

    @pytest.mark.parametrize(
        "encoding", ["gzip", "GZIP", "x-gzip", "deflate", "br", "zstd", "gzip, identity", "é", "\0"]
    )
    def test_holds_for_every_encoding(self, open_hook, encoding):
        answer = cases.post(open_hook, (CASES / "C19-1.json").read_bytes(), HTTP_CONTENT_ENCODING=encoding)

        assert answer.status_code == 415
        assert cases.stored() == {}

    @pytest.mark.parametrize("encoding", ["", "identity", "Identity", " identity "])
    def test_identity_is_none(self, open_hook, encoding):
        answer = cases.post(open_hook, (CASES / "C19-1.json").read_bytes(), HTTP_CONTENT_ENCODING=encoding)

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}

    @pytest.mark.parametrize("compress", [gzip.compress, zlib.compress], ids=["gzip", "zlib"])
    @pytest.mark.parametrize(
        "content_type", ["application/json", FORM, "multipart/form-data; boundary=x", ""]
    )
    def test_a_compressed_body_without_the_header_is_refused(self, open_hook, compress, content_type):
        answer = cases.post(open_hook, compress((CASES / "C19-1.json").read_bytes()), content_type)

        assert answer.status_code == 400
        assert cases.stored() == {}


class TestC23:
    def test_words_that_are_no_json_are_refused(self, open_hook, sent):
        answers = cases.play(open_hook, "C23")

        assert cases.codes(answers) == [400]
        assert cases.stored() == {}
        assert sent == []

    @pytest.mark.parametrize(
        "word", ["NaN", "Infinity", "-Infinity", "nan", "undefined", "+1", "01", ".5", "0x1", "1_0"]
    )
    @pytest.mark.parametrize("field", ["new", "status", "created"])
    def test_holds_for_every_word_and_format(self, open_hook, word, field):
        event = json.dumps({"deliveries": [delivery(**{field: "WORD"})]}).replace('"WORD"', word)

        answers = both_formats(open_hook, event)

        assert cases.codes(answers) == [400, 400, 400]
        assert cases.stored() == {}

    @pytest.mark.parametrize("number", ["9" * 33, "-" + "9" * 33, "1" + "0" * 5000, "9" * 100_000])
    def test_integers_over_32_digits_are_refused(self, open_hook, number):
        event = json.dumps({"deliveries": [delivery(new="NUMBER")]}).replace('"NUMBER"', number)

        answers = both_formats(open_hook, event)

        assert cases.codes(answers) == [400, 400, 400]
        assert cases.stored() == {}

    @pytest.mark.parametrize(
        "number", ["9" * 32, "-" + "9" * 32, "1e400", "-1e-400", "0.1000", "1E+2", "-0", "-0.0"]
    )
    def test_numbers_are_kept_as_sent(self, open_hook, number):
        event = json.dumps({"deliveries": [delivery(new="NUMBER", status="NUMBER")]}).replace(
            '"NUMBER"', number
        )

        answers = both_formats(open_hook, event)

        assert [answer.json()["new"] for answer in answers] == [1, 0, 0]
        assert cases.row("delivery")["status"] == number
        assert models.DeliveryEvent.objects.get().extra["new"] == number


class TestD03:
    """The raw text of a rejected event is what was sent."""

    def test_a_number_and_a_text_are_two(self, open_hook):
        answers = [cases.play(open_hook, "D03")[0] for _ in range(2)]

        assert [answer.json() for answer in answers] == [
            {"new": 1, "repeated": 0, "rejected": 2},
            {"new": 0, "repeated": 1, "rejected": 2},
        ]
        assert sorted(models.RejectedEvent.objects.values_list("raw", flat=True)) == ['"5"', "5"]

    @pytest.mark.parametrize(
        "raw",
        ["5", '"5"', "1.50", "-0", "1e400", "true", "false", "null", '"true"', '"null"', '""', "[]", "{}",
         '[1, "1", [true, null]]', '{"to": [1, 2.0], "n": 1}', '{"to": {}, "to": 2}',
         '"😀 \u202e\x7f\x85"', '"\\u001b[31m"', '{"\\n": [], "to": []}'],
        ids=ascii,
    )  # fmt: skip
    def test_holds_for_every_value_and_format(self, open_hook, raw):
        answers = both_formats(open_hook, f'{{"opens": [{raw}]}}', "opens")

        kept = models.RejectedEvent.objects.values_list("raw", flat=True)
        assert cases.codes(answers) == [200, 200, 200]
        assert list(kept) == [raw]

    @pytest.mark.parametrize("raw", ["5", '"5"', "true", '{"to": [1], "n": 2}', '"\\ud800"'])
    def test_is_read_again_as_it_was_sent(self, open_hook, raw):
        cases.send(open_hook, "opens", event=f'{{"opens": [{raw}]}}')
        row = models.RejectedEvent.objects.get()

        frame = rejections._frame(row)

        assert wire.read(frame, {}, 1).rejections[0].key == row.pk

    def test_an_event_read_again_is_the_event(self, open_hook, monkeypatch):
        event = json.dumps({"opens": [delivery(status=5, new=1.5)]})
        cases.send(open_hook, "opens", event=event)

        row = models.RejectedEvent.objects.get()
        row.event_type = "deliveries"
        frame = rejections._frame(row)
        [record] = wire.read(frame, event_types.RECORD_TYPES, 1).records

        cases.send(open_hook, "deliveries", delivery(status=5, new=1.5))
        assert record.key == models.DeliveryEvent.objects.get().pk

    def test_the_key_is_removed(self, hook):
        hook.send("deliveries", {"to": [], "api_key": API_KEY, "n": [{"api_key": 1, "key": API_KEY}]})

        assert json.loads(models.RejectedEvent.objects.get().raw) == {"to": [], "n": [{"key": "[api_key]"}]}
