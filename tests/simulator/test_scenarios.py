from __future__ import annotations

import random
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from cmc_webhooks import status, wire
from cmc_webhooks.simulator import scenarios

START = datetime(2026, 11, 1, 9, 0, 0, 500_000)  # noqa: DTZ001 - CMC's wall clock
LETTER = scenarios.Message(recipient="user@example.jp", api_data="CMC00123")
STORIES = {
    "delivered": (scenarios.delivered(), "succeeded"),
    "deferred": (scenarios.deferred(), "succeeded"),
    "given up": (scenarios.given_up(), "bounced"),
    "refused": (scenarios.refused(), "bounced"),
    "suppressed": (scenarios.suppressed(), "bounced"),
    "bounced later": (scenarios.bounced_later(), "bounced"),
}


def told(events=2000, seed=1, start=START, **options):
    dice = random.Random(seed)  # noqa: S311 - a play
    return list(scenarios.by_time(dice, start, events, **options))


def shape(event):
    return event.values["status"], event.values["created"]


class TestStories:
    @pytest.mark.parametrize("name", STORIES)
    def test_begin_with_queued_and_go_by_time(self, name):
        story, _ = STORIES[name]

        assert story[0] == scenarios.QUEUED
        assert all(one.seconds <= other.seconds for one, other in pairwise(story))

    def test_tell_a_refusal_as_a_delivery_and_as_a_bounce(self):
        _, failed, bounced = scenarios.refused("5")

        assert (failed.event_type, failed.status) == ("deliveries", "failed")
        assert (bounced.event_type, bounced.status, bounced.reason) == ("bounces", "5", failed.reason)

    def test_have_a_reason_for_every_code_that_has_a_class(self):
        assert set(scenarios.REASONS) >= {str(code) for code in range(1, 12)} | {"99"}
        assert status.bounce_class("10") == "suppressed"


class TestEvent:
    def test_has_the_fields_of_a_recorded_one(self):
        delivery = scenarios.event(LETTER, scenarios.QUEUED, START)
        bounce = scenarios.event(LETTER, scenarios.refused()[-1], START)

        assert set(delivery.values) == set(wire.DeliveryRecord.wire_names().values())
        assert set(bounce.values) == set(wire.BounceRecord.wire_names().values())
        assert delivery.values["created"] == "2026-11-01 09:00:00"
        assert delivery.values["apiData"] == "CMC00123"

    def test_names_the_recipient_whom_cmc_itself_refused(self):
        failed = scenarios.event(LETTER, scenarios.suppressed()[1], START).values

        assert failed["reason"].startswith("Recipient address <user@example.jp> is suppressed")
        assert failed["senderIp"] == ""


class TestByTime:
    def test_tells_as_many_as_were_asked_for_in_order(self):
        events = told(2000)
        times = [event.values["created"] for event in events]

        assert len(events) == 2000
        assert times == sorted(times)
        assert times[0] == "2026-11-01 09:00:00"

    def test_tells_every_story_whole_but_the_last(self):
        of_mail = defaultdict(list)
        for event in told(2000):
            of_mail[event.values["messageId"], event.values["to"]].append(event.values["status"])

        assert all(statuses[0] == "queued" for statuses in of_mail.values())
        assert sum(len(statuses) == 1 for statuses in of_mail.values()) <= 1

    def test_knows_all_that_can_happen(self):
        events = told(5000)
        statuses = Counter(event.values["status"] for event in events)
        recipients = defaultdict(set)
        for event in events:
            recipients[event.values["messageId"]].add(event.values["to"])

        assert {"queued", "deferred", "succeeded", "failed", "2", "3", "10"} <= set(statuses)
        assert max(len(each) for each in recipients.values()) > 1
        assert any(not event.values["subject"].isascii() for event in events)

    def test_makes_no_event_twice(self):
        events = {tuple(sorted(event.values.items())) for event in told(5000)}

        assert len(events) == 5000

    def test_depends_on_its_dice_alone(self):
        later = told(500, start=START + timedelta(days=1))

        assert told(500) == told(500)
        assert told(500) != told(500, seed=2)
        assert [e.values | {"created": ""} for e in later] == [e.values | {"created": ""} for e in told(500)]

    def test_lets_few_wait(self, monkeypatch):
        monkeypatch.setattr(scenarios, "MAX_WAITING", 10)

        events = told(3000, seconds_between=0.01)

        assert len(events) == 3000
        assert Counter(map(shape, events)) == Counter(map(shape, told(3000, seconds_between=0.01)))
