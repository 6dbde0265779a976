from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import urlencode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmc_webhooks import wire

CREATED = datetime(2023, 1, 25, 14, 3, 6)  # noqa: DTZ001 - CMC's clock has no zone
QUEUED = {
    "created": "2023-01-25 14:03:06",
    "message_id": "<m1@example.com>",
    "recipient": "user@example.jp",
    "status": "queued",
    "subject": "テスト",
}
QUEUED_KEY = UUID("0185e93d-4990-8aa1-b849-c209147bea30")
UNTIMED_KEY = UUID("00000000-0000-8e4d-b61f-b0d9064e72b5")

ITEM = {
    "created": "2023-01-25 14:03:06",
    "messageId": "<m1@example.com>",
    "from": "info@example.com",
    "to": "user@example.jp",
    "returnPath": "info@return.pro.smtps.jp",
    "subject": "テスト",
    "apiData": "CMC00123",
    "status": "2",
    "reason": "550 5.1.1\nuser unknown",
    "sourceIp": "192.0.2.1",
    "senderIp": "192.0.2.2",
    "future": {"list": ["1", None]},
}
VERSION_1 = {
    **{name: value for name, value in ITEM.items() if name not in {"to", "returnPath"}},
    "envelopeTo": ITEM["to"],
    "envelopeFrom": ITEM["returnPath"],
}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
moments = st.none() | st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 12, 31))  # noqa: DTZ001 - wall clocks


def key_of(item: dict, event_type: str = "deliveries", server_composition: str = "pro", position: int = 0):
    return wire.DeliveryRecord.of(event_type, server_composition, position, item).key


def key_in(body: bytes, content_type: str = "") -> UUID:
    frame = wire.decode(body, content_type)
    (record,) = wire.read(frame, {"deliveries": wire.DeliveryRecord}, 100).records
    return record.key


class TestEventKey:
    """Frozen: a key that changes makes every event that CMC repeats a second row."""

    @pytest.mark.parametrize(
        ("event_type", "composition", "values", "extra", "created", "key"),
        [
            ("deliveries", "pro", QUEUED, {}, CREATED, QUEUED_KEY),
            (
                "bounces",
                "pro",
                {"bounce_code": "2"},
                {"zone": {"b": [None, "1"], "a": "x"}},
                None,
                UUID("00000000-0000-8648-b28e-0806d49f41cc"),
            ),
            ("blocks", "", {}, {}, None, UNTIMED_KEY),
        ],
        ids=["delivery", "with-extra-and-no-time", "empty"],
    )
    def test_is_frozen(self, event_type, composition, values, extra, created, key):
        assert wire.event_key(event_type, composition, values, extra, created) == key

    def test_is_that_of_the_record_read_from_a_body(self):
        item = {
            "status": "queued",
            "to": "user@example.jp",
            "messageId": "<m1@example.com>",
            "created": "2023-01-25 14:03:06",
            "subject": "テスト",
        }

        assert key_of(item) == QUEUED_KEY

    def test_begins_with_the_wall_clock_read_as_utc(self):
        milliseconds = int(CREATED.replace(tzinfo=UTC).timestamp() * 1000)

        assert wire.key_ms(QUEUED_KEY) == milliseconds

    @pytest.mark.parametrize("hours", [-12, 0, 9, 14])
    def test_takes_the_wall_clock_whatever_the_offset(self, hours):
        created = CREATED.replace(tzinfo=timezone(timedelta(hours=hours)))

        assert wire.event_key("deliveries", "pro", QUEUED, {}, created) == QUEUED_KEY

    @given(texts, texts, st.dictionaries(texts, texts, max_size=3), moments)
    def test_is_a_uuid_that_every_database_orders_by_its_bytes(
        self, event_type, composition, values, created
    ):
        key = wire.event_key(event_type, composition, values, {}, created)

        assert key.version == 8
        assert 0xB0 <= key.bytes[8] <= 0xBF

    @pytest.mark.parametrize(
        "body",
        [
            {"event_type": "deliveries", "server_composition": "pro", "event": {"deliveries": [ITEM]}},
            {"event": {"deliveries": [VERSION_1]}, "event_type": "deliveries", "server_composition": "pro"},
            {
                "event_type": "deliveries",
                "server_composition": "pro",
                "event": json.dumps({"deliveries": [ITEM]}),
            },
            {
                "api_key": "secret",
                "event_type": "deliveries",
                "server_composition": " pro\r\n",
                "event": {"deliveries": [dict(reversed(ITEM.items())) | {"status": 2, "api_key": "secret"}]},
            },
        ],
        ids=["plain", "version-1", "event-as-text", "number-key-and-order"],
    )
    @pytest.mark.parametrize("kind", ["json", "form"])
    def test_is_one_for_one_event_in_every_dress(self, body, kind):
        if kind == "json":
            data = json.dumps(body, ensure_ascii=False).encode()
        else:
            event = body["event"] if isinstance(body["event"], str) else json.dumps(body["event"])
            data = urlencode(body | {"event": event}).encode()

        assert key_in(data) == key_of(ITEM)

    @pytest.mark.parametrize("position", [1, 99])
    def test_does_not_depend_on_the_place_in_the_batch(self, position):
        assert key_of(ITEM, position=position) == key_of(ITEM)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"status": 2}, {"status": "2"}),
            ({"status": True}, {"status": "true"}),
            ({"status": False}, {"status": "false"}),
            ({"future": {"n": 1}}, {"future": {"n": "1"}}),
            ({"subject": "a\r\n b"}, {"subject": "a b"}),
            ({"reason": "a\0"}, {"reason": "a\ufffd"}),
            ({"subject": "\ud800"}, {"subject": "\ufffd"}),
            ({"future": "\udfff"}, {"future": "\ufffd"}),
        ],
        ids=["number", "true", "false", "inner-number", "folded", "nul", "surrogate", "inner-surrogate"],
    )
    def test_is_the_same_for_values_that_read_the_same(self, one, other):
        # numbers stand as text in a frame already
        one, other = (json.dumps({"deliveries": [ITEM | values]}) for values in (one, other))
        frames = [
            wire.Frame(server_composition="pro", event_type="deliveries", event=event)
            for event in (one, other)
        ]

        keys = [wire.read(frame, {"deliveries": wire.DeliveryRecord}, 9).records[0].key for frame in frames]

        assert keys[0] == keys[1]

    @pytest.mark.parametrize("name", [*ITEM, "envelopeTo", "envelopeFrom", "never seen"])
    def test_takes_missing_null_and_empty_for_the_same(self, name):
        without = {each: value for each, value in ITEM.items() if each != name}

        keys = {key_of(without), key_of(without | {name: None}), key_of(without | {name: ""})}

        assert len(keys) == 1

    @pytest.mark.parametrize(
        "change",
        [
            *({name: value + "x"} for name, value in ITEM.items() if isinstance(value, str)),
            {"subject": "ﾃｽﾄ"},
            {"to": "USER@example.jp"},
            {"to": " user@example.jp"},
            {"messageId": "m1@example.com"},
            {"status": "02"},
            {"status": "2.0"},
            {"reason": "550 5.1.1\r\nuser unknown"},
            {"future": {"list": ["1", "2"]}},
            {"future": {"list": [None, "1"]}},
            {"future": {"list": ["1"]}},
            {"future": '{"list": ["1", null]}'},
            {"Future": "x"},
            {"envelopeTo": "other@example.jp"},
            {"created": "2023-01-25T14:03:06"},
            {"created": "2023-01-25 14:03:06+00:00"},
        ],
        ids=lambda change: "{0[0]}={0[1]!r}".format(*change.items()),
    )
    def test_is_another_for_any_other_value(self, change):
        assert key_of(ITEM | change) != key_of(ITEM)

    def test_is_another_for_another_type_or_composition(self):
        keys = {
            key_of(ITEM),
            key_of(ITEM, event_type="bounces"),
            key_of(ITEM, server_composition="sandbox"),
            key_of(ITEM, server_composition=""),
        }

        assert len(keys) == 4

    @pytest.mark.parametrize(
        ("wire_name", "name"),
        [
            ("to", "recipient"),
            ("messageId", "message_id"),
            ("from", "header_from"),
            ("returnPath", "return_path"),
            ("subject", "extra"),
            ("sourceIp", "source_ip"),
        ],
    )
    def test_keeps_our_names_and_those_sent_apart(self, wire_name, name):
        by_wire_name, by_our_name = key_of({wire_name: "x"}), key_of({name: "x"})

        assert by_wire_name != by_our_name

    @pytest.mark.parametrize(
        "swapped", [("subject", "reason"), ("from", "returnPath"), ("sourceIp", "senderIp")]
    )
    def test_tells_which_value_belongs_to_which_name(self, swapped):
        one, other = swapped

        assert key_of(ITEM | {one: "a", other: "b"}) != key_of(ITEM | {one: "b", other: "a"})


class TestAddressKey:
    """Frozen: a key that changes loses each block and release by hand."""

    @pytest.mark.parametrize(
        ("address", "key"),
        [
            ("user@example.jp", "1a1b66b0-5082-85ac-bc77-521b9842b071"),
            ('a"b\\@例え.jp', "5da73ca5-57fa-8965-b974-1f135349a637"),
            ("a@例え.jp", "cafcedd8-a608-8d90-bf85-35ac1893c5ca"),
            ("a@xn--r8jz45g.jp", "cafcedd8-a608-8d90-bf85-35ac1893c5ca"),
            ("", "5676c40f-0d82-84a8-b504-710dd6eb70f2"),
        ],
    )
    def test_is_what_it_was(self, address, key):
        assert wire.address_key(address) == UUID(key)
        assert wire.address_key_hex(address) == UUID(key).hex
