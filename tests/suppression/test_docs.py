"""The examples of the tables in the docs hold."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from cmc_webhooks.conf import SuppressionRule
from cmc_webhooks.suppression import rules
from tests.helpers import pages
from tests.suppression import oracle

NOW = datetime(2026, 11, 29, tzinfo=UTC)
UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "min": timedelta(minutes=1)}
PAGE = "reference/suppression"
SOFT = re.findall(r"^\| `([^`]+)` \| `(None|in [^`]+)` \|", pages.section(PAGE, "Soft bounces"), re.MULTILINE)


def span(text):
    """The time that a text such as `2 d 3 h` means."""
    return sum(
        (int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+) ([a-z]+)", text)), timedelta()
    )


class TestSoftBounces:
    def test_has_enough_examples(self):
        assert len(SOFT) >= 7
        assert {until == "None" for _, until in SOFT} == {True, False}

    @pytest.mark.parametrize(("bounces", "until"), SOFT)
    def test_is_as_its_examples_say(self, bounces, until):
        ends = None if until == "None" else NOW + span(until)
        times = [NOW - span(each) for each in bounces.split(", ")]
        outcomes = [rules.Outcome(at, rules.SOFT, at) for at in times]
        known = oracle.Address()
        for at in times:
            known.learn("5", "pro", at, at)

        verdict = rules.judge(rules.Facts(outcomes), rules.Question(), SuppressionRule(), NOW).verdict

        assert (verdict.may_send, verdict.until) == (ends is None, ends)
        assert known.verdict(None, False, NOW)[3] == ends


class TestReasons:
    def test_are_those_of_the_table_in_its_order(self):
        table = pages.section(PAGE, "Reasons")

        named = re.findall(r"^\| `(\w+)` \| \w", table, re.MULTILINE)
        assert named == ["reason", *rules.REASONS]
        assert oracle.REASONS == rules.REASONS
