from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from cmc_webhooks import wire
from cmc_webhooks.wire import records
from cmc_webhooks.wire.records import BadRecord
from tests.conftest import bounce, delivery

TEXTS = [
    "messageId",
    "to",
    "from",
    "returnPath",
    "subject",
    "apiData",
    "reason",
    "status",
    "sourceIp",
    "senderIp",
]
NAMES = wire.DeliveryRecord.wire_names()


def record(item, kind=wire.DeliveryRecord, event_type="deliveries"):
    return kind.of(event_type, "pro", 0, item)


def value_of(record, wire_name):
    return getattr(record, next(name for name, each in NAMES.items() if each == wire_name))


class TestDeliveryRecord:
    def test_has_every_value_by_our_name(self):
        item = {name: f"{name}!" for name in TEXTS}

        read = record(item)

        assert {name: value_of(read, name) for name in TEXTS} == item
        assert (read.extra, read.created, read.server_composition) == ({}, None, "pro")

    @pytest.mark.parametrize("name", TEXTS)
    @pytest.mark.parametrize(
        ("sent", "kept"),
        [
            (None, ""),
            ("", ""),
            (2, "2"),
            (-1.5, "-1.5"),
            (True, "true"),
            (False, "false"),
            ("a\0b\ud800", "a\ufffdb\ufffd"),
            ("x" * 10_000, "x" * 10_000),
        ],
        ids=ascii,
    )
    def test_keeps_any_scalar_as_text(self, name, sent, kept):
        assert value_of(record({name: sent}), name) == kept

    @pytest.mark.parametrize("name", TEXTS)
    def test_strips_words_and_keeps_what_was_sent(self, name):
        read = record({name: " blanks\u3000"})

        is_word = name in ("status", "from", "apiData", "sourceIp", "senderIp")
        assert value_of(read, name) == ("blanks" if is_word else " blanks\u3000")
        assert read.extra == ({name: " blanks\u3000"} if is_word else {})

    @pytest.mark.parametrize("name", TEXTS)
    def test_keeps_line_breaks_in_the_reason_only(self, name):
        kept = "a\r\n b" if name == "reason" else "a b"

        assert value_of(record({name: "a\r\n b"}), name) == kept

    @pytest.mark.parametrize("name", [*TEXTS, "created"])
    @pytest.mark.parametrize("value", [[], {}, ["a@b"], {"a": 1}], ids=repr)
    def test_refuses_what_is_no_text(self, name, value):
        with pytest.raises(BadRecord, match=f"^{name} is not text$"):
            record({name: value})

    def test_takes_an_empty_object(self):
        read = record({})

        assert read.message_id == read.recipient == read.status == ""
        assert read.extra == {}

    def test_keeps_what_it_has_no_field_for(self):
        extra = {
            "score": True,
            "deep": {"list": [1, None, "a\0"], "api_key": "hush"},
            "api_key": "hush",
            "empty": "",
        }

        assert record(delivery(**extra)).extra == {"score": "true", "deep": {"list": ["1", None, "a\ufffd"]}}


class TestVersion1:
    def test_is_read_by_its_own_names(self):
        read = record({"envelopeFrom": "f@x", "envelopeTo": "t@x", "status": "queued"})

        assert (read.return_path, read.recipient, read.header_from, read.extra) == ("f@x", "t@x", "", {})

    def test_gives_way_to_version_2_whatever_comes_first(self):
        both = {"envelopeTo": "one@x", "to": "two@x"}

        for item in (both, dict(reversed(both.items()))):
            read = record(item)
            assert (read.recipient, read.extra) == ("two@x", {"envelopeTo": "one@x"})

    def test_leaves_no_trace_where_it_agrees(self):
        assert record({"envelopeTo": "a@x", "to": "a@x"}).extra == {}


class TestBounceRecord:
    def test_has_the_status_as_its_code(self):
        read = record(bounce(status="2"), wire.BounceRecord, "bounces")

        assert read.bounce_code == "2"
        assert read.extra == {}

    def test_keeps_addresses_of_machines_as_extras(self):
        read = record(bounce(sourceIp="192.0.2.1"), wire.BounceRecord, "bounces")

        assert read.extra == {"sourceIp": "192.0.2.1"}


class TestBlockRecord:
    def block(self, item):
        return record(item, wire.BlockRecord, "blocks")

    def test_reads_what_rest_calls_its_fields(self):
        read = self.block({"created": "2015-12-14 08:46:00", "email": "a@x", "occurred": "1", "status": "2"})

        assert (read.recipient, read.bounce_code, read.occurrences) == ("a@x", "2", "1")
        assert read.created == datetime(2015, 12, 14, 8, 46)  # noqa: DTZ001 - CMC's clock

    @pytest.mark.parametrize(
        "item", [{}, {"email": ["a@x"], "status": {"a": "b"}, "created": []}, {"to": "b@x"}], ids=str
    )
    def test_requires_nothing_and_keeps_all(self, item):
        assert self.block(item).raw == item

    @pytest.mark.parametrize("item", ["x", None, []])
    def test_is_an_object_all_the_same(self, item):
        with pytest.raises(BadRecord, match="not an object"):
            self.block(item)


class TestCreated:
    WALL = datetime(2023, 1, 25, 14, 3, 6)  # noqa: DTZ001 - CMC's clock

    @pytest.mark.parametrize(
        ("sent", "created"),
        [
            ("2023-01-25 14:03:06", WALL),
            (" 2023-01-25T14:03:06 ", WALL),
            ("2023-01-25 14:03:06.5", WALL + timedelta(milliseconds=500)),
            ("2023-01-25T14:03:06Z", WALL.replace(tzinfo=UTC)),
            ("2023-01-25 14:03:06+09:00", WALL.replace(tzinfo=timezone(timedelta(hours=9)))),
            ("2023-01-25 14:03:06 -0500", WALL.replace(tzinfo=timezone(timedelta(hours=-5)))),
            ("1970-01-01 00:00:00", datetime(1970, 1, 1)),  # noqa: DTZ001 - wall clocks
            ("9999-12-29 23:59:59", datetime(9999, 12, 29, 23, 59, 59)),  # noqa: DTZ001 - wall clocks
        ],
    )
    def test_is_read_in_these_forms(self, sent, created):
        read = record({"created": sent})

        assert read.created == created
        assert read.created.tzinfo == created.tzinfo
        assert read.extra == {}

    @pytest.mark.parametrize(
        "sent",
        [
            "0000-00-00 00:00:00",
            "2023-02-30 10:00:00",
            "2023-01-25 24:00:00",
            "2023-01-25 25:00:00",
            "2023-01-25",
            "2023/01/25 14:03:06",
            "25.01.2023 14:03:06",
            "2023-W04-3 14:03:06",
            "２０２３-01-25 14:03:06",
            "1969-12-31 23:59:59",
            "0001-01-01 00:00:00",
            "9999-12-30 00:00:00",
            "9999-12-31 23:59:59",
            "10000-01-01 00:00:00",
            "2023-01-25 14:03:06+99:00",
            "1674622986",
            "yesterday",
            "x" * 5000,
        ],
    )
    def test_is_kept_as_text_where_it_is_no_time_that_exists(self, sent):
        read = record({"created": sent})

        assert read.created is None
        assert read.extra == {"created": sent}
        assert wire.key_ms(read.key) == 0

    def test_is_no_time_before_a_long_blank(self):
        read = record({"created": "2023-01-25 14:03:06" + " " * 30_000 + "x"})

        assert read.created is None

    @pytest.mark.parametrize("sent", [None, ""])
    def test_may_be_missing(self, sent):
        read = record({"created": sent})

        assert (read.created, read.extra) == (None, {})


class TestMemory:
    def test_does_not_keep_long_texts_that_are_no_time(self):
        records._moment.cache_clear()
        texts = [f"2023-01-25 14:03:06{' ' * 100}{number}" for number in range(10)]

        assert [record({"created": text}).created for text in texts] == [None] * 10
        assert records._moment.cache_info().currsize == 0


class TestAsSent:
    @pytest.mark.parametrize(
        ("kind", "event_type", "item"),
        [
            (wire.DeliveryRecord, "deliveries", delivery(new={"a": ["b"]}, reason="a\nb")),
            (wire.DeliveryRecord, "deliveries", {"envelopeTo": "a@x", "created": "2023-01-25 14:03:06"}),
            (wire.DeliveryRecord, "deliveries", {"created": "never", "to": "a@x"}),
            (wire.BounceRecord, "bounces", bounce(created="2023-01-25 14:03:06+09:00")),
            (wire.BlockRecord, "blocks", {"email": "a@x", "x": ["y"], "created": "2015-12-14 08:46:00"}),
        ],
    )
    def test_reads_as_the_same_event_again(self, kind, event_type, item):
        first = record(item, kind, event_type)

        assert record(first.as_sent(), kind, event_type) == first

    @pytest.mark.parametrize(
        "created",
        [
            "2023-01-25T14:03:06",
            "2023-01-25 14:03:06Z",
            "2023-01-25 14:03:06.5",
            "2023-01-25 14:03:06+0900",
            "2023-01-25 14:03:06 +09:00",
            " 2023-01-25 14:03:06",
        ],
    )
    def test_keeps_the_key_of_a_time_in_another_form(self, created):
        first = record({"created": created, "to": "a@x"})

        assert record(first.as_sent()).key == first.key


class TestNamesGivenTwice:
    """An event that says two things is told from one that says two others, at any depth."""

    @pytest.mark.parametrize("twice", ['"a": 1, "a": 2', '"b": {"a": 1, "a": 2}', '"b": [{"a": 1, "a": 2}]'])
    def test_make_no_event_that_another_is_taken_for(self, twice):
        known = []

        for text in (twice, twice.replace("1", "3")):
            frame = wire.Frame(event_type="deliveries", event=f'{{"deliveries": [{{{text}}}]}}')
            sent = wire.read(frame, {"deliveries": wire.DeliveryRecord}, 1)
            known += [each.key for each in (*sent.records, *sent.rejections)]

        assert len(set(known)) == 2


class TestWithinBmp:
    def test_replaces_letters_but_not_the_key(self):
        first = record(delivery(subject="𠮷 😀", new={"😀": ["😀"]}))

        tame = wire.replace_astral_in_record(first)

        assert (tame.subject, tame.extra) == ("\ufffd \ufffd", {"new": {"\ufffd": ["\ufffd"]}})
        assert (tame.key, tame.created, tame.position) == (first.key, first.created, first.position)
