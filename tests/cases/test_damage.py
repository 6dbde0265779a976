from __future__ import annotations

import gzip
import json
import zlib
from urllib.parse import urlencode

import pytest

from cmc_webhooks import models
from tests import cases
from tests.conftest import CASES, FORM, delivery

pytestmark = pytest.mark.django_db

BOM = b"\xef\xbb\xbf"


def body(event_text, event_type="deliveries"):
    return b'{"event_type": "%s", "server_composition": "pro", "event": %s}' % (
        event_type.encode(),
        event_text.encode(),
    )


def nested(depth, opening="[", closing="]"):
    return opening * depth + '"x"' + closing * depth


def both_formats(open_hook, event_text):
    """The answers to one event as an object in JSON, as text in JSON, and in a form."""
    form = urlencode({"event_type": "deliveries", "server_composition": "pro", "event": event_text}).encode()
    return [
        cases.post(open_hook, body(event_text)),
        cases.post(open_hook, body(json.dumps(event_text))),
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
