from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from cmc_webhooks import testing, wire
from cmc_webhooks.event_types import RECORD_TYPES
from cmc_webhooks.testing import samples

MAKERS = {"deliveries": testing.delivery, "bounces": testing.bounce, "blocks": testing.block}


def read(encoded):
    return wire.read(wire.decode(*encoded), RECORD_TYPES, 100)


class TestBuilders:
    @pytest.mark.parametrize("event_type", MAKERS)
    def test_make_events_that_are_read_without_a_rest(self, event_type):
        sent = read(testing.notification(event_type, MAKERS[event_type]()))
        (record,) = sent.records

        assert sent.rejections == ()
        assert record.created is not None
        assert not getattr(record, "extra", None)

    @pytest.mark.parametrize("event_type", MAKERS)
    def test_make_the_same_twice(self, event_type):
        assert MAKERS[event_type]() == MAKERS[event_type]()

    def test_are_about_one_mail(self):
        delivery, bounce = testing.delivery(), testing.bounce()

        assert (delivery["messageId"], delivery["to"]) == (bounce["messageId"], bounce["to"])

    def test_take_our_names_and_those_of_cmc(self):
        ours = testing.delivery(recipient="a@example.jp", header_from="b@example.jp", api_data="CMC00123")
        theirs = testing.delivery(**{"to": "a@example.jp", "from": "b@example.jp", "apiData": "CMC00123"})

        assert ours == theirs
        assert ours["to"] == "a@example.jp"

    def test_give_a_bounce_the_reason_of_its_code(self):
        assert testing.bounce(bounce_code="5")["status"] == "5"
        assert "over quota" in testing.bounce(bounce_code="5")["reason"]
        assert testing.bounce(bounce_code="77", reason="odd")["reason"] == "odd"

    def test_write_times_by_the_clock_of_cmc(self, settings):
        settings.CMC_WEBHOOKS_TIME_ZONE = "Asia/Tokyo"
        at = datetime(2026, 11, 1, 0, 30, tzinfo=UTC)

        assert testing.delivery(created=at)["created"] == "2026-11-01 09:30:00"
        assert testing.delivery(created=at.replace(tzinfo=None))["created"] == "2026-11-01 00:30:00"
        assert testing.delivery(created="never")["created"] == "never"


class TestEvents:
    @pytest.mark.parametrize("name", samples.__all__)
    def test_tell_each_sample_with_the_same_values(self, name):
        events = testing.events(getattr(samples, name), recipient="a@example.jp")

        assert {event.values["to"] for event in events} == {"a@example.jp"}
        assert len({event.values["messageId"] for event in events}) == 1
        assert events[0].values["status"] == "queued"
        assert not any("{to}" in event.values["reason"] for event in events)

    def test_end_now(self):
        *_, last = testing.events(samples.BOUNCED_LATER)

        assert last.values["created"] == testing.delivery()["created"]


class TestNotification:
    def test_has_the_key_of_the_settings_or_another_or_none(self, settings):
        settings.CMC_WEBHOOKS_API_KEYS = ["a-key-of-the-settings", "an-older-one"]

        keys = [
            json.loads(testing.notification("deliveries", **how).body).get("api_key")
            for how in ({}, {"api_key": "another"}, {"api_key": ""})
        ]

        assert keys == ["a-key-of-the-settings", "another", None]

    def test_is_a_form_where_that_is_asked_for(self):
        body, content_type = testing.notification("deliveries", testing.delivery(), form=True)

        assert content_type == "application/x-www-form-urlencoded"
        assert b"event_type=deliveries" in body
