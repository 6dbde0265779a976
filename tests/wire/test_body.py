from __future__ import annotations

import codecs
import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmc_webhooks import wire
from cmc_webhooks.wire import body as body_module
from tests.conftest import FORM
from tests.wire.bodies import BODIES, FIELDS, FRAME, JSON, TYPES, multipart

NAMES = ["created", "messageId", "to", "envelopeTo", "status", "api_key", "email", "other"]
RECORD_TYPES = {
    "deliveries": wire.DeliveryRecord,
    "bounces": wire.BounceRecord,
    "blocks": wire.BlockRecord,
}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(
    st.sampled_from(list(FIELDS)),
    st.one_of(
        values,
        st.sampled_from(list(RECORD_TYPES)),
        st.dictionaries(st.sampled_from(list(RECORD_TYPES)), st.lists(values), max_size=2),
    ),
)


class TestDecode:
    @pytest.mark.parametrize("sent", BODIES.values(), ids=BODIES)
    @pytest.mark.parametrize("content_type", TYPES)
    def test_goes_by_what_the_body_is(self, sent, content_type):
        assert wire.decode(sent, content_type) == FRAME

    def test_passes_over_fields_that_are_not_ours(self):
        more = {**FIELDS, "attachment1": "x", "EVENT": "y"}

        assert wire.decode(json.dumps(more).encode()) == FRAME
        assert wire.decode(urlencode(more).encode()) == FRAME
        assert wire.decode(multipart(more)) == FRAME

    def test_hides_the_key_and_the_events_from_repr(self):
        shown = repr(wire.Frame(api_key="hush", event={"to": "a@b"}, event_type="deliveries"))

        assert "hush" not in shown
        assert "a@b" not in shown
        assert "deliveries" in shown

    @pytest.mark.parametrize(
        ("sent", "content_type", "reason"),
        [
            (b"", "", "the body is empty"),
            (codecs.BOM_UTF8 + b" \r\n", JSON, "the body is empty"),
            (b"{", JSON, "the body is not JSON"),
            (b"nonsense", JSON, "the body is not JSON"),
            (b"nonsense", "", "neither JSON nor a form of ours"),
            (b"a=1&b=2", FORM, "neither JSON nor a form of ours"),
            (b"[]", JSON, "no object"),
            (b'"event"', JSON, "no object"),
            (b"17", JSON, "no object"),
            (b"null", JSON, "no object"),
            (b'{"event_type": NaN}', JSON, "NaN is not JSON"),
            (b'{"x": -Infinity}', JSON, "-Infinity is not JSON"),
            (b'{"x": %s}' % (b"9" * 33), JSON, "more than 32 digits"),
            (b'{"x": -%s}' % (b"9" * 5000), JSON, "more than 32 digits"),
            (b'{"x": %s}' % (b"[" * 20 + b"]" * 20), JSON, "nested deeper than 20"),
            (b"[" * 40_000, JSON, "the body is not JSON"),
            (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, JSON, "the body is not JSON|nested deeper"),
            ("&".join(f"f{n}=1" for n in range(101)).encode(), FORM, "more than 100 fields"),
            (multipart([(f"f{n}", "1") for n in range(101)]), "", "more than 100 fields"),
            (b"--", "", "neither JSON nor a form of ours"),
            (b"--b", "multipart/form-data; boundary=b", "neither JSON nor a form of ours"),
        ],
    )
    def test_says_what_is_wrong_with_other_bodies(self, sent, content_type, reason):
        with pytest.raises(wire.BadBody, match=reason):
            wire.decode(sent, content_type)

    @pytest.mark.parametrize("name", ["api_key", "event_type", "event"])
    def test_refuses_a_field_given_twice(self, name):
        pairs = [*FIELDS.items(), (name, FIELDS[name])]
        as_json = json.dumps(FIELDS)[:-1] + f", {json.dumps(name)}: 1}}"

        for sent in (as_json.encode(), urlencode(pairs).encode(), multipart(pairs)):
            with pytest.raises(wire.BadBody, match=f"ambiguous: {name} is given twice"):
                wire.decode(sent)

    def test_sees_through_another_spelling_of_a_field_given_twice(self):
        with pytest.raises(wire.BadBody, match="ambiguous: api_key is given twice"):
            wire.decode(rb'{"api_key": "a", "api\u005fkey": "b"}')

    def test_counts_a_field_that_is_empty(self):
        assert wire.decode(b"api_key=&event=1").api_key == ""
        with pytest.raises(wire.BadBody, match="ambiguous: api_key is given twice"):
            wire.decode(b"api_key=&api_key=hush")

    def test_names_every_field_given_twice(self):
        with pytest.raises(wire.BadBody, match="ambiguous: api_key, event_type is given twice"):
            wire.decode(b'{"event_type": 1, "api_key": 1, "event_type": 1, "api_key": 1, "x": 1, "x": 2}')

    @pytest.mark.parametrize(
        "sent",
        [
            b'{"api_key": "hush", "api_key": "hush"}',
            b'{"api_key": "hush", "x": NaN}',
            b'{"api_key": "hush", ',
            b'["hush"]',
            b"hush=hush",
            b"api_key=hush&api_key=hush",
            multipart([("api_key", "hush"), ("api_key", "hush")]),
        ],
        ids=repr,
    )
    def test_quotes_nothing_of_what_it_refuses(self, sent):
        with pytest.raises(wire.BadBody) as refusal:
            wire.decode(sent)

        assert "hush" not in str(refusal.value)

    @pytest.mark.parametrize(
        "content_type",
        [
            f"{JSON}; charset*=utf-8''utf-8; charset*0=utf-8",
            f"{JSON}; charset*{'9' * 5000}=utf-8",
            f"{JSON}; charset=\ud800",
            "multipart/form-data; boundary*=\"a\0b''x\"",
            "multipart/form-data; boundary*=b; boundary*0=b",
            "multipart/form-data; boundary=\udce9",
        ],
        ids=lambda content_type: ascii(content_type)[:60],
    )
    def test_survives_headers_that_pythons_parser_does_not(self, content_type):
        try:
            frame = wire.decode(BODIES["form"], content_type)
        except (wire.BadBody, wire.UnsupportedCharset) as refusal:
            told = str(refusal)
        else:
            told = frame.event_type

        assert told

    @pytest.mark.parametrize("kind", ["form", "multipart", "multipart behind a preamble"])
    def test_takes_as_many_fields_as_it_may(self, kind):
        fields = {**{f"f{n}": "1" for n in range(96)}, **FIELDS}
        sent = {
            "form": urlencode(fields).encode(),
            "multipart": multipart(fields),
            "multipart behind a preamble": multipart(fields, preamble="x\r\n"),
        }

        assert wire.decode(sent[kind], "multipart/form-data; boundary=b") == FRAME

    @pytest.mark.parametrize(
        ("sent", "content_type"),
        [
            (b'{"a":1,"a":1,%s}' % b",".join(b'"%d":1' % n for n in range(15_000)), JSON),
            (b'{"event": {"a":1,"a":1,%s}}' % b",".join(b'"%d":1' % n for n in range(15_000)), JSON),
            (b"event=" + b"%ff" * 300_000, FORM),
        ],
        ids=["names of a body", "names of an object", "escapes"],
    )
    def test_takes_bodies_that_would_cost_a_simple_parser_much(self, sent, content_type):
        assert wire.decode(sent, content_type).event_type is None

    @pytest.mark.parametrize(
        ("sent", "content_type", "refusal"),
        [
            (b"{}", f'{JSON}; charset="{";" * 50_000}', wire.UnsupportedCharset),
            (b"{" * 1_000_000, JSON, wire.BadBody),
            (
                b'--b\r\nContent-Disposition: form-data; name="%s\r\n\r\nx\r\n--b--' % (b";" * 50_000),
                "",
                wire.BadBody,
            ),
            (
                b"--b\r\nContent-Disposition: form-data%s\r\n\r\nx\r\n--b--" % (b";\r\n a=b" * 80_000),
                "",
                wire.BadBody,
            ),
            (b"\n--" * 300_000, "", wire.BadBody),
            (b"--\n" * 300_000, "", wire.BadBody),
        ],
        ids=[
            "a header's quote",
            "braces",
            "a part's quote",
            "a part's parameters",
            "blank boundary",
            "boundaries",
        ],
    )
    def test_refuses_bodies_that_would_cost_a_simple_parser_much(self, sent, content_type, refusal):
        with pytest.raises(refusal):
            wire.decode(sent, content_type)

    def test_takes_integers_and_nesting_up_to_the_limits(self):
        most = b'{"event_type": %s, "x": %s, "y": -%s}' % (b"9" * 32, b"[" * 19 + b"]" * 19, b"9" * 32)

        assert wire.decode(most).event_type == "9" * 32

    def test_keeps_numbers_as_they_were_written(self):
        frame = wire.decode(b'{"event": [1.50, 1e999, -0, 2]}')

        assert frame.event == ["1.50", "1e999", "-0", "2"]

    @given(
        st.one_of(
            documents.map(lambda document: json.dumps(document).encode()),
            documents.map(lambda document: urlencode(document, doseq=True).encode()),
            st.binary(max_size=200),
            st.sampled_from(list(BODIES.values())).map(lambda b: b[:-3]),
            st.text().map(str.encode),
        ),
        st.one_of(st.sampled_from(TYPES), st.text(st.characters(exclude_categories=["Cs"]), max_size=60)),
    )
    def test_never_fails_in_another_way(self, sent, content_type):
        try:
            frame = wire.decode(sent, content_type)
            read = wire.read(frame, RECORD_TYPES, 10)
        except (wire.BadBody, wire.UnsupportedCharset, wire.TooManyEvents) as error:
            told = str(error)
        else:
            told = read.event_type
        assert len(told.splitlines()) == 1


class TestDecodeFields:
    def test_reads_fields_that_were_parsed_already(self):
        assert wire.decode_fields(FIELDS.items()) == FRAME

    def test_refuses_what_is_not_ours_or_ambiguous(self):
        for fields in ([], [("a", "1")], [("event", "1"), ("event", "2")]):
            with pytest.raises(wire.BadBody):
                wire.decode_fields(fields)


class TestLoadEvent:
    def test_reads_json_text_and_leaves_objects(self):
        assert body_module.load_event('\ufeff{"deliveries": []}') == {"deliveries": []}
        assert body_module.load_event({"deliveries": []}) == {"deliveries": []}
        assert body_module.load_event(None) is None

    def test_counts_the_nesting_of_the_text_alone(self):
        assert body_module.load_event("[" * 20 + "]" * 20)

    @pytest.mark.parametrize("text", ["", "x", "{", "NaN", "[" * 21 + "]" * 21, "9" * 33])
    def test_names_the_place_of_a_fault(self, text):
        with pytest.raises(wire.BadBody, match=r"^event"):
            body_module.load_event(text)
