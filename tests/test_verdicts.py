"""What outcomes say of an address, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from cmc_webhooks import suppression, verdicts
from cmc_webhooks.suppression import Outcome, Rule, Verdict

NOW = datetime(2023, 3, 1, tzinfo=UTC)
FREE = Verdict(may_send=True)


def day(number):
    """That many days before now."""
    return NOW - timedelta(days=number)


def judge(*outcomes, rule=None):
    """The verdict of (days ago, word) pairs; the same in either order."""
    made = [Outcome(day(days), word) for days, word in outcomes]
    verdict = suppression.judge(made, rule or Rule(), NOW)
    assert suppression.judge(reversed(made), rule or Rule(), NOW) == verdict
    return verdict


class TestJudge:
    def test_allows_an_address_without_history(self):
        assert judge() == FREE

    @pytest.mark.parametrize("word", ["hard", "suppressed"])
    def test_forbids_after_one(self, word):
        assert judge((9, "succeeded"), (3, word)) == Verdict(False, word, day(3), day(3 - 180))

    @pytest.mark.parametrize("word", ["policy", "message", "unknown"])
    def test_says_nothing_of_the_address(self, word):
        assert judge(*[(days, word) for days in range(9)]) == FREE

    @pytest.mark.parametrize("word", ["hard", "suppressed"])
    def test_allows_again_after_a_later_success(self, word):
        assert judge((9, word), (3, "succeeded")) == FREE

    def test_counts_the_bounce_at_the_instant_of_a_success(self):
        assert judge((3, "succeeded"), (3, "hard")).reason == "hard"

    def test_does_not_depend_on_the_order_of_one_instant(self):
        words = ["suppressed", "soft", "succeeded", "hard", "policy"]
        made = [Outcome(day(3), word, day(2 if word == "hard" else 3)) for word in words]

        found = {suppression.judge(order, Rule(soft=1), NOW) for order in permutations(made)}

        assert found == {Verdict(False, "suppressed", day(3), day(2 - 180))}

    def test_forbids_after_soft_ones_in_a_row(self):
        assert judge((4, "soft"), (3, "soft")) == FREE
        assert judge((4, "soft"), (3, "soft"), (2, "soft")) == Verdict(False, "soft", day(2), day(2 - 180))

    def test_begins_the_row_again_after_a_success(self):
        assert judge((5, "soft"), (4, "soft"), (3, "succeeded"), (2, "soft")) == FREE

    def test_begins_the_row_again_after_the_window(self):
        assert judge((90, "soft"), (50, "soft"), (2, "soft")) == FREE

    def test_keeps_a_row_that_other_bounces_stand_in(self):
        assert judge((5, "soft"), (4, "soft"), (3, "policy"), (2, "soft")).reason == "soft"

    def test_keeps_a_hard_verdict_when_one_soft_bounce_follows(self):
        assert judge((5, "hard"), (4, "soft")) == Verdict(False, "hard", day(5), day(5 - 180))

    def test_expires(self):
        assert judge((181, "hard")) == FREE
        assert judge((179, "hard")).reason == "hard"

    def test_holds_as_long_as_the_bounce_that_was_told_last(self):
        late, newer = Outcome(day(100), "hard", day(3)), Outcome(day(50), "hard", day(50))

        for outcomes in ([late, newer], [newer, late]):
            verdict = suppression.judge(outcomes, Rule(), NOW)
            assert verdict == Verdict(False, "hard", day(50), day(3 - 180))

    def test_never_ends_behind_the_calendar(self):
        assert judge((3, "hard"), rule=Rule(expires=timedelta(days=2_950_000))).until is None

    def test_goes_by_the_rule_that_it_is_given(self):
        assert judge((3, "soft"), rule=Rule(soft=1)).reason == "soft"
        assert judge((3, "hard"), rule=Rule(expires=timedelta(days=2))) == FREE


class TestBelievable:
    def believable(self, ahead, word, heard_at):
        outcome = Outcome(NOW + ahead, word, heard_at)
        [*found] = verdicts.believable([outcome], NOW)
        return outcome, found

    @pytest.mark.parametrize("ahead", [-timedelta(days=9), timedelta(), timedelta(hours=14)])
    @pytest.mark.parametrize("word", ["hard", "succeeded"])
    def test_are_outcomes_of_any_zone(self, ahead, word):
        outcome, found = self.believable(ahead, word, day(9))

        assert found == [outcome]

    def test_take_a_bounce_to_come_for_one_of_its_receipt(self):
        _, found = self.believable(timedelta(days=9), "hard", day(3))

        assert found == [Outcome(day(3), "hard", day(3))]

    def test_take_no_success_to_come_for_one(self):
        assert self.believable(timedelta(days=9), "succeeded", day(3))[1] == []
