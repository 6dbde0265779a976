from __future__ import annotations

import pytest

from cmc_webhooks import ingest, models, wire
from cmc_webhooks.backfill import matching
from cmc_webhooks.event_types import RECORD_TYPES
from tests.conftest import bounce, delivery

USING = "default"

pytestmark = pytest.mark.django_db(transaction=True)


def sent(*events, kind="deliveries", composition="pro"):
    frame = wire.Frame(event_type=kind, server_composition=composition, event={kind: list(events)})
    return wire.read(frame, RECORD_TYPES, 1000)


def stored(*events, **frame):
    ingest.take(sent(*events, **frame))


def absent(*events, **frame):
    """The positions of those events that are not stored."""
    part = matching.of(USING, sent(*events, **frame))
    return [item.position for item in (*part.records, *part.rejections)]


FEWER = {"subject": "", "returnPath": "", "apiData": "", "from": "", "sourceIp": "", "senderIp": ""}


class TestOf:
    def test_is_all_where_nothing_is_stored(self):
        assert absent(delivery("<a@x>"), delivery("<b@x>"), "odd") == [0, 1, 2]

    @pytest.mark.parametrize(
        "values",
        [
            pytest.param({}, id="told in the same words"),
            pytest.param(FEWER, id="told with fewer fields"),
            pytest.param({"subject": "=?UTF-8?Q?a?="}, id="with an encoded subject"),
            pytest.param({"id": "cp0ihzuyl3445", "reason": "250 ok"}, id="told with more fields"),
            pytest.param(
                {"to": "User <USER@example.jp>", "messageId": "m1@example.com"}, id="spelt otherwise"
            ),
            pytest.param({"created": "2023-01-25T14:03:06.512+09:00"}, id="at another part of the second"),
        ],
    )
    def test_has_nothing_of_an_event_that_is_stored(self, values):
        stored(delivery())
        stored(bounce(created="2023-01-25 14:03:06"), kind="bounces")

        assert absent(delivery(**values)) == []
        assert absent(bounce(**{"created": "2023-01-25 14:03:06", **values}), kind="bounces") == []

    @pytest.mark.parametrize(
        "values",
        [
            pytest.param({"created": "2023-01-25 14:03:07"}, id="a second later"),
            pytest.param({"created": "2023-01-25 14:03:05"}, id="a second before"),
            pytest.param({"created": ""}, id="at no time"),
            pytest.param({"status": "succeeded"}, id="of another status"),
            pytest.param({"status": "Queued"}, id="of another status to the letter"),
            pytest.param({"to": "other@example.jp"}, id="to another address"),
            pytest.param({"messageId": "<m2@example.com>"}, id="of another message"),
        ],
    )
    def test_has_another_event(self, values):
        stored(delivery())

        assert absent(delivery(**values)) == [0]

    def test_has_an_event_of_another_kind_or_composition(self):
        stored(delivery(status="2"))

        assert absent(bounce(created="2023-01-25 14:03:06"), kind="bounces") == [0]
        assert absent(delivery(status="2"), composition="sandbox") == [0]

    def test_has_nothing_of_an_event_without_a_time_that_is_stored_without_one(self):
        stored(delivery(created="yesterday"))

        assert absent(delivery(created="", **FEWER), delivery(created="", status="failed")) == [1]

    def test_has_an_event_with_a_time_where_one_without_is_stored(self):
        stored(delivery(created=""))

        assert absent(delivery()) == [0]

    def test_has_nothing_of_an_event_whose_time_is_as_good_as_none(self):
        stored(delivery(created="1970-01-01 00:00:00"))

        assert absent(delivery(**FEWER, created="1970-01-01 00:00:00")) == []

    def test_has_twins_once(self):
        assert absent(delivery(), delivery()) == [0]

    def test_has_no_rejected_event_twice(self):
        stored("odd", {"to": ["x"]})

        assert absent("odd", {"to": ["x"]}, "another") == [2]
        assert models.RejectedEvent.objects.count() == 2

    def test_has_nothing_that_is_older_than_events_are_kept(self, settings):
        settings.CMC_WEBHOOKS_RETENTION = {"events": 60}

        assert absent(delivery()) == []

    def test_knows_a_status_that_was_cut_to_its_column(self):
        stored(delivery(status="x" * 40))

        assert absent(delivery(status="x" * 40, **FEWER)) == []

    @pytest.mark.parametrize("number", [1, 100], ids=["an event", "a hundred"])
    def test_takes_two_statements(self, django_assert_num_queries, number):
        events = [
            delivery(f"<m{each}@x>", created=f"2023-01-25 14:{each % 60:02}:00") for each in range(number)
        ]
        stored(*events)

        with django_assert_num_queries(2):
            found = absent(*events, delivery(created=""), "odd")

        assert found == [number, number + 1]

    def test_is_found_where_the_project_stores_naive_times(self, settings):
        settings.USE_TZ = False
        stored(delivery())

        assert absent(delivery(**FEWER), delivery(created="2023-01-25 14:03:07")) == [1]

    @pytest.mark.parametrize("hour", ["04", "05", "06"])  # 05 and 06 are both the hour after one there
    def test_knows_each_second_where_naive_times_come_twice(self, settings, hour):
        settings.USE_TZ, settings.TIME_ZONE = False, "America/New_York"
        settings.CMC_WEBHOOKS_TIME_ZONE = "UTC"
        events = [
            delivery(f"<{second}@x>", created=f"2022-11-06 {hour}:{second}")
            for second in ("00:00", "30:00", "59:59")
        ]
        stored(*events)

        assert [absent({**event, **FEWER}) for event in events] == [[], [], []]
        assert absent(*[{**event, **FEWER} for event in events]) == []
