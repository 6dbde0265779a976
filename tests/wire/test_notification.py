from __future__ import annotations

import json

import pytest

from cmc_webhooks import wire
from tests.conftest import bounce, delivery

RECORD_TYPES = {
    "deliveries": wire.DeliveryRecord,
    "bounces": wire.BounceRecord,
    "blocks": wire.BlockRecord,
}


def frame(event, event_type="deliveries", **values):
    return wire.Frame(event_type=event_type, server_composition="pro", event=event, **values)


def read(event, event_type="deliveries", most=100, **values):
    return wire.read(frame(event, event_type, **values), RECORD_TYPES, most)


class TestRead:
    def test_gives_records_in_the_order_sent(self):
        sent = read({"bounces": [bounce("<a@x>"), bounce("<b@x>")]}, "bounces")

        assert (sent.event_type, sent.server_composition, sent.rejections) == ("bounces", "pro", ())
        assert [(type(r), r.message_id, r.position) for r in sent.records] == [
            (wire.BounceRecord, "<a@x>", 0),
            (wire.BounceRecord, "<b@x>", 1),
        ]

    def test_reads_an_event_given_as_text(self):
        assert read(json.dumps({"deliveries": [delivery()]})) == read({"deliveries": [delivery()]})

    @pytest.mark.parametrize("event", [{"deliveries": []}, '{"deliveries": []}'])
    def test_takes_an_empty_batch(self, event):
        assert read(event).records == ()

    def test_keeps_an_odd_event_apart_and_names_its_place(self):
        odd = ["text", 5, None, ["list"], {"to": ["x"]}, {"created": {"x": 1}}]

        sent = read({"deliveries": [delivery("<a@x>"), *odd, delivery("<c@x>")]})

        assert [record.position for record in sent.records] == [0, 7]
        assert [rejection.error for rejection in sent.rejections] == [
            "event.deliveries[1]: not an object",
            "event.deliveries[2]: not an object",
            "event.deliveries[3]: not an object",
            "event.deliveries[4]: not an object",
            "event.deliveries[5]: to is not text",
            "event.deliveries[6]: created is not text",
        ]

    def test_rejects_an_event_that_gives_a_name_twice(self):
        text = '{"deliveries": [{"status": "queued", "status": "failed", "a\\nb": 1, "a\\nb": 2}]}'

        [rejection] = read(text).rejections

        assert rejection.error == "event.deliveries[0]: status, 1 other name are given twice"

    def test_rejects_all_events_of_a_type_never_seen(self):
        sent = read({"opens": [{"to": "a@b"}, "x"]}, "opens")

        assert sent.records == ()
        assert [rejection.position for rejection in sent.rejections] == [0, 1]
        assert "does not know" in sent.rejections[0].error

    def test_cleans_the_fields_of_the_frame(self):
        sent = wire.read(
            wire.Frame(event_type=" a\0\r\nb ", server_composition=7, event={" a\0\r\nb ": []}),
            RECORD_TYPES,
            1,
        )

        assert (sent.event_type, sent.server_composition) == ("a\ufffd b", "7")

    @pytest.mark.parametrize(
        ("values", "reason"),
        [
            ({"event_type": None}, "event_type is missing"),
            ({"event_type": " "}, "event_type is missing"),
            ({"event_type": []}, "event_type is not text"),
            ({"server_composition": {}}, "server_composition is not text"),
            ({"event": None}, "event is missing"),
            ({"event": []}, "event is not an object"),
            ({"event": "x"}, "event is not JSON"),
            ({"event": "5"}, "event is not an object"),
            ({"event": {}}, "event.deliveries is not a list"),
            ({"event": {"deliveries": {}}}, "event.deliveries is not a list"),
            ({"event": {"deliveries": None}}, "event.deliveries is not a list"),
            ({"event": {"bounces": []}}, "event.deliveries is not a list"),
            ({"event": '{"deliveries": [], "deliveries": []}'}, "ambiguous: event.deliveries is given twice"),
            ({"event": {"deliveries": [], " deliveries": []}}, "ambiguous: event.deliveries is given twice"),
        ],
        ids=str,
    )
    def test_says_what_is_wrong_and_where(self, values, reason):
        whole = {
            "event_type": "deliveries",
            "server_composition": "pro",
            "event": {"deliveries": []},
        } | values

        with pytest.raises(wire.BadBody, match=reason):
            wire.read(wire.Frame(**whole), RECORD_TYPES, 10)

    def test_passes_over_other_members_of_the_event(self):
        assert len(read({"deliveries": [delivery()], "count": 1, "bounces": []}).records) == 1

    @pytest.mark.parametrize(
        ("event", "most"),
        [([1, 2], 1), ({}, 1), ([1], 1)],
        ids=["too many", "no list", "odd"],
    )
    def test_quotes_no_more_than_a_little_of_a_long_event_type(self, event, most):
        event_type = "x" * 100_000

        try:
            sent = wire.read(frame({event_type: event}, event_type), RECORD_TYPES, most)
            told = sent.rejections[0].error
        except (wire.BadBody, wire.TooManyEvents) as refusal:
            told = str(refusal)

        assert len(told) < 200

    def test_takes_as_many_events_as_it_may(self):
        events = [delivery(f"<{n}@x>") for n in range(3)]

        assert len(read({"deliveries": events}, most=3).records) == 3
        with pytest.raises(wire.TooManyEvents, match="3 events, more than 2"):
            read({"deliveries": events}, most=2)


class TestRejection:
    def test_is_the_same_for_the_same_text(self):
        one, other = (read({"deliveries": [*some, "odd"]}).rejections[0] for some in ([], [delivery()]))

        assert one.key == other.key
        assert (one.position, other.position) == (0, 1)

    def test_holds_no_api_key(self):
        odd = {"to": ["x"], "api_key": "hush", "deep": [{"api_key": "hush", "a": 'key "hush" here'}]}

        [rejection] = read({"deliveries": [odd]}, api_key="hush").rejections

        assert "hush" not in rejection.raw
        assert json.loads(rejection.raw)["deep"] == [{"a": 'key "[api_key]" here'}]

    def test_holds_no_key_that_json_escapes(self):
        [rejection] = read({"deliveries": ['say "a\\b"']}, api_key='"a\\b"').rejections

        assert json.loads(rejection.raw) == "say [api_key]"

    def test_still_tells_both_values_of_a_name_given_twice(self):
        """Or an event that was ambiguous would be read as one that is not when it is retried."""
        [rejection] = read('{"deliveries": [{"to": "one@x", "to": "two@x"}]}').rejections

        assert "one@x" in rejection.raw
        assert "two@x" in rejection.raw

    def test_stands_whole_in_its_key(self):
        one, other = (read({"deliveries": ["あ" * 40_000 + end]}).rejections[0] for end in "ab")

        assert one.raw == other.raw
        assert one.key != other.key

    def test_is_cut_to_64_kib_of_utf_8(self):
        [rejection] = read({"deliveries": ["あ" * 40_000]}).rejections

        assert 64 * 1024 - 3 < len(rejection.raw.encode()) <= 64 * 1024


class TestReject:
    def test_makes_ascii_of_a_record(self):
        sent = read({"deliveries": [delivery(subject="😀", new={"a": "é"})]})

        rejection = wire.reject(sent, sent.records[0], "no room")

        assert rejection.raw.isascii()
        assert json.loads(rejection.raw)["subject"] == "😀"
        assert json.loads(rejection.raw)["new"] == {"a": "é"}
        assert rejection.error == "event.deliveries[0]: no room"


class TestFrameWithinBmp:
    def test_replaces_letters_but_no_key(self):
        sent = wire.read(wire.Frame(event_type="😀", server_composition="😀", event={"😀": ["😀"]}), {}, 1)

        tame = wire.replace_astral_in_frame(sent)

        assert (tame.event_type, tame.server_composition) == ("\ufffd", "\ufffd")
        assert tame.rejections[0].raw == '"\ufffd"'
        assert tame.rejections[0].key == sent.rejections[0].key
