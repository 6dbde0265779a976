from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import datetime

import pytest

from cmc_webhooks import wire
from cmc_webhooks.simulator import plan as plans
from cmc_webhooks.simulator.credentials import Credentials
from cmc_webhooks.simulator.scenarios import SimulatedEvent

PLAN = plans.Plan(seed=7, start=datetime(2026, 11, 1, 9), events=3000)  # noqa: DTZ001 - CMC's wall clock
KEY = Credentials(api_key="s3cret-value-for-tests")


def events(posts):
    """What the bodies of posts tell, as JSON texts."""
    told = []
    for body, content_type, number in posts:
        frame = wire.decode(body, content_type)
        event = frame.event if isinstance(frame.event, dict) else json.loads(frame.event)
        (some,) = event.values()
        assert len(some) == number
        told += [json.dumps(each, sort_keys=True) for each in some]
    return told


class TestPosts:
    def test_hold_every_event_once(self):
        told = events(plans.posts(PLAN, KEY))

        assert len(told) == len(set(told)) == 3000

    @pytest.mark.parametrize(
        "options",
        [{}, {"form": True}, {"version": 1}, {"duplicates": 0.1, "reorder": True}, {"batch": 7}],
        ids=str,
    )
    def test_are_the_same_for_the_same_plan(self, options):
        plan = replace(PLAN, **options)

        assert list(plans.posts(plan, KEY)) == list(plans.posts(plan, KEY))

    def test_hold_a_share_of_the_events_twice(self):
        told = Counter(events(plans.posts(replace(PLAN, duplicates=0.05), KEY)))

        assert set(told) == set(events(plans.posts(PLAN, KEY)))
        assert 100 < sum(number == 2 for number in told.values()) < 200
        assert max(told.values()) == 2

    @pytest.mark.parametrize("duplicates", [0.0, 1.0])
    def test_lose_nothing_out_of_order(self, duplicates):
        plan = replace(PLAN, duplicates=duplicates)

        in_order = events(plans.posts(plan, KEY))
        reordered = events(plans.posts(replace(plan, reorder=True), KEY))

        assert reordered != in_order
        assert Counter(reordered) == Counter(in_order)

    def test_present_the_key_or_none(self):
        (body, *_), *_ = plans.posts(PLAN, KEY)
        (bare, *_), *_ = plans.posts(PLAN, Credentials())

        assert json.loads(body)["api_key"] == "s3cret-value-for-tests"
        assert "api_key" not in json.loads(bare)


class TestBatches:
    def test_post_all_that_waits_when_one_type_is_full(self):
        told = [
            SimulatedEvent("deliveries", {"n": "1"}),
            SimulatedEvent("bounces", {"n": "2"}),
            SimulatedEvent("deliveries", {"n": "3"}),
        ]

        made = list(plans.batches([*told, told[1]], 2))

        assert made == [
            ("deliveries", [{"n": "1"}, {"n": "3"}]),
            ("bounces", [{"n": "2"}]),
            ("bounces", [{"n": "2"}]),
        ]


class TestPlan:
    def test_spans_about_a_month_at_most(self):
        assert replace(PLAN, events=10).span.days == 2
        assert 30 <= replace(PLAN, events=10**8).span.days <= 33
