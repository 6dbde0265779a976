from __future__ import annotations

import itertools
import json
import tracemalloc
from urllib.parse import quote, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks import hostile
from cmc_webhooks import wire
from cmc_webhooks.wire.api_keys import MAX_BRACKETS
from tests.conftest import API_KEY, FORM, delivery, notification
from tests.wire.bodies import FIELDS, JSON, multipart

KEY = "a-webhook-key-of-CMC"
SIZE = 256 * 1024
SHAPES = hostile.shapes(SIZE)
MULTIPART = "multipart/form-data; boundary=b"

names = st.sampled_from(["api_key", "event", "event_type", "headers", "x", 'a"b', "あ", "\\"]) | st.text(
    max_size=5
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
documents = st.dictionaries(names, values, max_size=8)
charsets = st.sampled_from(["utf-8", "cp1252", "latin-1", "shift_jis", "iso-2022-jp", "euc-jp", ""])


def keys_in(body, content_type=JSON):
    return list(wire.api_keys_in(body, content_type))


def outcome(work):
    try:
        return work()
    except wire.UnsupportedCharset:
        return "charset"
    except wire.BadBody as error:
        return str(error)


NAMES = [b"api_key", b"event", b"%61pi_key"]
PIECES = [*NAMES, *b"& = + %20 x \x97 \xa0 \x1c".split(b" "), b" ", b"\n", b"\v", "\u3000".encode()]


class TestApiKeysIn:
    @pytest.mark.parametrize("place", [0, 2, 4])
    @pytest.mark.parametrize("kind", ["JSON", "form", "multipart"])
    def test_finds_the_key_in_every_place(self, kind, place):
        others = [(name, value) for name, value in FIELDS.items() if name != "api_key"] + [("x", "y")]
        fields = dict([*others[:place], ("api_key", KEY), *others[place:]])
        body, content_type = {
            "JSON": (json.dumps(fields).encode(), JSON),
            "form": (urlencode(fields).encode(), FORM),
            "multipart": (multipart(fields), MULTIPART),
        }[kind]

        assert keys_in(body, content_type) == [KEY]

    @pytest.mark.parametrize(
        "body",
        [
            json.dumps({"api_key": KEY}),
            json.dumps({"api_key": KEY}).replace("_", r"\u005f"),
            json.dumps({"api_key": KEY}).replace("a", r"\u0061"),
            f'\ufeff \n{{ "api_key" \t:\r\n "{KEY}" }} \n',
            f'{{"a": {{"api_key": "x"}}, "b": ["}}", "\\"", {{}}], "api_key": "{KEY}"}}',
            f"api_key={KEY}\r\n",
            f"a=b&&=&api%5Fkey={quote(KEY.replace('-', ' '))}".replace("%20", "-"),
            f" api_key={KEY}",
            f"event={{}}&api_key={KEY}",
        ],
        ids=ascii,
    )
    def test_reads_every_spelling(self, body):
        assert keys_in(body.encode(), "") == [KEY]

    @pytest.mark.parametrize(
        ("value", "key"),
        [("12345678901234567890", "12345678901234567890"), ("1.50", "1.50"), ("true", None), ("null", None),
         ("{}", None), (f'["{KEY}"]', None), ('""', "")],
    )  # fmt: skip
    def test_reads_a_number_as_text_and_nothing_else(self, value, key):
        body = f'{{"api_key": {value}}}'.encode()

        assert keys_in(body) == [key]
        assert key is None or wire.decode(body).api_key == key

    def test_takes_no_key_out_of_the_events(self):
        event = {"deliveries": [{"api_key": KEY}], "api_key": KEY}

        assert keys_in(json.dumps({"event": event}).encode()) == []
        assert keys_in(urlencode({"event": json.dumps(event)}).encode(), FORM) == []

    def test_stops_at_the_key(self):
        found = wire.api_keys_in(f'{{"api_key": "{KEY}", broken'.encode(), JSON)

        assert next(found) == KEY
        with pytest.raises(wire.BadBody, match="not JSON"):
            next(found)

    @pytest.mark.parametrize("kind", ["JSON", "form", "multipart"])
    def test_refuses_a_second_key(self, kind):
        pairs = [("api_key", "wrong"), ("event", "1"), ("api_key", KEY)]
        body, content_type = {
            "JSON": (f'{{"api_key": "wrong", "event": 1, "api_key": "{KEY}"}}'.encode(), JSON),
            "form": (urlencode(pairs).encode(), FORM),
            "multipart": (multipart(pairs), MULTIPART),
        }[kind]
        found = wire.api_keys_in(body, content_type)

        assert next(found) == "wrong"
        with pytest.raises(wire.BadBody, match="ambiguous: api_key is given twice"):
            next(found)

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"[]", "no object"),
            (b'"event"', "no object"),
            (b'{"a": 1,}', "not JSON"),
            (b'{"a": 01}', "not JSON"),
            (b'{"a": NaN}', "not JSON"),
            (b'{"a" 1}', "not JSON"),
            (b"{} x", "not JSON"),
            (b'{"a": %s}' % (b"[" * 20 + b"]" * 20), "nested deeper than 20"),
            (b"{%s}" % b",".join(b'"%d":0' % n for n in range(101)), "more than 100 fields"),
        ],
        ids=lambda value: ascii(value)[:30],
    )
    def test_refuses_what_is_no_notification(self, body, reason):
        with pytest.raises(wire.BadBody, match=reason):
            keys_in(body)

    @given(documents, st.booleans(), st.sampled_from([None, 1, "\t"]), charsets)
    def test_finds_what_the_parser_finds_in_json(self, document, is_ascii, indent, charset):
        text = json.dumps(document, ensure_ascii=is_ascii, indent=indent)
        body = text.encode(charset or "utf-8", "replace" if charset else "surrogatepass")
        content_type = f"{JSON}; charset={charset}"
        frame = outcome(lambda: wire.decode(body, content_type))

        if isinstance(frame, wire.Frame):
            found = [key for key in keys_in(body, content_type) if key is not None]
            assert found == ([frame.api_key] if isinstance(frame.api_key, str) else [])

    @given(
        st.lists(st.tuples(names, st.text() | st.just(KEY)), max_size=8),
        charsets,
        st.sampled_from(["", " ", "\n", "　"]),
    )
    def test_finds_what_the_parser_finds_in_forms(self, fields, charset, around):
        encoded = urlencode(fields, encoding=charset or "utf-8", errors="replace")
        body = (around + encoded + around).encode(charset or "utf-8", "replace")
        content_type = f"{FORM}; charset={charset}"
        frame = outcome(lambda: wire.decode(body, content_type))

        if isinstance(frame, wire.Frame):
            assert keys_in(body, content_type) == [frame.api_key] * (frame.api_key is not None)
        else:
            assert outcome(lambda: keys_in(body, content_type)) == frame

    @given(
        st.lists(st.sampled_from(PIECES), max_size=12),
        charsets,
    )
    @example([b"&", b"api_key", b" "], "")
    @example([b"api_key", b"\n", b"&", b"="], "")
    @example([b"event", b"&", b"api_key", b"=", b"x", b"\xa0", b" "], "latin-1")
    def test_finds_what_the_parser_finds_in_forms_with_blanks(self, pieces, charset):
        body, content_type = b"".join(pieces), f"{FORM}; charset={charset}"
        frame = outcome(lambda: wire.decode(body, content_type))

        if isinstance(frame, wire.Frame):
            assert keys_in(body, content_type) == [frame.api_key] * (frame.api_key is not None)
        else:
            assert outcome(lambda: keys_in(body, content_type)) == frame

    @given(st.binary(max_size=80), st.sampled_from([JSON, FORM, MULTIPART, ""]), charsets)
    def test_agrees_with_the_parser_about_rubbish(self, rubbish, kind, charset):
        bodies = [
            b"api_key=" + rubbish,
            b'{"api_key":"' + rubbish + b'"}',
            multipart({"api_key": "x"}) + rubbish,
        ]
        content_type = f"{kind}; charset={charset}"

        for body in bodies:
            frame = outcome(lambda body=body: wire.decode(body, content_type))
            found = outcome(lambda body=body: keys_in(body, content_type))
            assert found == [frame.api_key] if isinstance(frame, wire.Frame) and frame.api_key else True


class TestBrackets:
    """The limit of opening brackets in a JSON body, which are what costs most to pass over."""

    @staticmethod
    def body_with(brackets, size=0, value="[{}]"):
        """Return a body with the right key behind that many brackets, of at least some bytes."""
        head = '{"event_type": "deliveries", "event": {"deliveries": ['
        number, rest = divmod(brackets - head.count("{") - head.count("["), 2)
        events = [value] * number + ["[]"] * rest
        text = f'{head}{", ".join(events)}]}}, "x": "", "api_key": "right"}}'
        return text.replace('"x": ""', f'"x": "{"a" * (size - len(text))}"').encode()

    @pytest.mark.parametrize("value", ["[{}]", "[[]]", '"[["', '"{["'])
    def test_refuses_more_than_the_limit(self, value):
        at_limit, beyond = (self.body_with(MAX_BRACKETS + number, value=value) for number in (0, 1))

        assert keys_in(at_limit) == ["right"]
        with pytest.raises(wire.BadBody, match="more than 100,000 opening brackets"):
            keys_in(beyond)

    @pytest.mark.parametrize("extra", [0, 1])
    def test_allows_more_in_larger_bodies(self, extra):
        size = 4_000_000
        body = self.body_with(size // 20 + extra, size)

        assert len(body) == size
        if extra:
            with pytest.raises(wire.BadBody, match="more than 200,000 opening brackets"):
                keys_in(body)
        else:
            assert keys_in(body) == ["right"]

    def test_leaves_room_for_any_notification(self):
        event = delivery(reason="550 [[192.0.2.1]] {x} " * 4, more={"a": [{"b": [1]}, []]})
        body = notification("deliveries", *[event] * 1000)

        assert body.count(b"[") + body.count(b"{") < MAX_BRACKETS / 4
        assert keys_in(body) == [API_KEY]

    @pytest.mark.parametrize(
        "name", ["lists without commas", "nested 18", "empty objects", "empty lists", "nested objects"]
    )
    def test_refuses_the_shapes_that_cost_most(self, name):
        with pytest.raises(wire.BadBody, match="opening brackets"):
            keys_in(*hostile.shapes()[f"JSON: {name}"])

    def test_does_not_count_in_forms(self):
        assert keys_in(b"event=" + b"[" * (MAX_BRACKETS + 1) + b"&api_key=right", FORM) == ["right"]


class TestCost:
    """What is done before the key is known, for bodies in shapes that cost a parser much.

    `python -m benchmarks.hostile` measures their time.
    """

    @pytest.mark.parametrize("shape", SHAPES)
    def test_takes_little_more_memory_than_the_body(self, shape):
        body, content_type = SHAPES[shape]

        tracemalloc.start()
        outcome(lambda: keys_in(body, content_type))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

        assert peak < 5 * SIZE

    def test_has_shapes_for_every_format(self):
        kinds = {kind for kind, _ in itertools.groupby(name.partition(":")[0] for name in SHAPES)}

        assert kinds >= {"JSON", "form", "multipart", "cp1252, JSON", "iso-2022-jp, form"}
