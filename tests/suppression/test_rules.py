"""What outcomes and decisions say of an address, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from cmc_webhooks.conf import SuppressionRule
from cmc_webhooks.suppression import rules
from cmc_webhooks.suppression.rules import Decision, Facts, Outcome, Question, Reason, Verdict

NOW = datetime(2023, 3, 1, tzinfo=UTC)
FREE = Verdict(may_send=True)
ANY = Question()


def day(number):
    """That many days before now."""
    return NOW - timedelta(days=number)


def judge(*outcomes, rule=None, decisions=(), question=ANY):
    """The verdict of (days ago, word[, composition]) tuples; the same in either order."""
    made = [Outcome(day(days), word, None, *composition) for days, word, *composition in outcomes]
    rule = rule or SuppressionRule()
    found = rules.judge(Facts(made, decisions), question, rule, NOW)
    assert rules.judge(Facts(made[::-1], decisions[::-1]), question, rule, NOW) == found
    return found.verdict


def released(days, composition=""):
    """A release that ignores what was up to that many days ago."""
    return Decision("released", composition, day(0), None, day(days))


def blocked(composition="", until=None):
    return Decision("blocked", composition, day(1), until)


class TestJudge:
    def test_allows_an_address_without_history(self):
        assert judge() == FREE

    def test_forbids_after_one_hard_bounce(self):
        assert judge((9, "succeeded"), (3, "hard", "a")) == Verdict(False, "hard", day(3), day(3 - 180))

    @pytest.mark.parametrize("word", ["blocked", "unsubscribed"])
    def test_forbids_after_one_entry_of_cmc_s_lists(self, word):
        assert judge((3, word, "a")) == Verdict(False, word, day(3), day(3 - 180), "a", at_cmc=True)

    @pytest.mark.parametrize("word", ["policy", "message", "unknown", "suppressed"])
    def test_says_nothing_of_the_address(self, word):
        assert judge(*[(days, word) for days in range(9)]) == FREE

    @pytest.mark.parametrize("word", ["hard", "blocked", "unsubscribed"])
    def test_allows_again_after_a_later_success(self, word):
        assert judge((9, word, "a"), (3, "succeeded", "a")) == FREE

    def test_counts_the_bounce_at_the_instant_of_a_success(self):
        assert judge((3, "succeeded"), (3, "hard")).reason == "hard"

    def test_does_not_depend_on_the_order_of_one_instant(self):
        words = ["blocked", "soft", "succeeded", "hard", "policy"]
        made = [Outcome(day(3), word, day(2 if word == "hard" else 3)) for word in words]

        found = {
            rules.judge(Facts(order), ANY, SuppressionRule(soft=1), NOW).verdict
            for order in permutations(made)
        }

        assert found == {Verdict(False, "hard", day(3), day(2 - 180), at_cmc=True)}

    def test_forbids_after_soft_ones_in_a_row(self):
        assert judge((4, "soft"), (3, "soft")) == FREE
        assert judge((4, "soft"), (3, "soft"), (2, "soft")) == Verdict(False, "soft", day(2), day(2 - 30))

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
            verdict = rules.judge(Facts(outcomes), ANY, SuppressionRule(), NOW).verdict
            assert verdict == Verdict(False, "hard", day(50), day(3 - 180))

    def test_never_ends_behind_the_calendar(self):
        assert judge((3, "hard"), rule=SuppressionRule(expires=timedelta(days=2_950_000))).until is None

    def test_goes_by_the_rule_that_it_is_given(self):
        assert judge((3, "soft"), rule=SuppressionRule(soft=1)).reason == "soft"
        assert judge((3, "hard"), rule=SuppressionRule(expires=timedelta(days=2))) == FREE

    def test_ends_when_no_reason_is_left(self):
        found = judge((3, "hard"), decisions=[blocked(until=day(-1))])

        assert (found.reason, found.since, found.until) == ("by_hand", day(1), day(3 - 180))

    def test_lists_all_reasons(self):
        facts = Facts([Outcome(day(3), "hard"), Outcome(day(2), "unsubscribed", None, "a")], [blocked("b")])

        found = rules.judge(facts, ANY, SuppressionRule(), NOW)

        assert found.reasons == (
            Reason("by_hand", day(1), None, "b"),
            Reason("hard", day(3), day(3 - 180)),
            Reason("unsubscribed", day(2), day(2 - 180), "a", cause="a"),
        )


class TestScope:
    @pytest.mark.parametrize("word", ["blocked", "unsubscribed"])
    @pytest.mark.parametrize(("asked", "may_send"), [("a", False), (None, False), ("b", True), ("", True)])
    def test_of_an_entry_at_cmc_is_its_composition(self, word, asked, may_send):
        found = judge((3, word, "a"), question=Question(asked))

        assert (found.may_send, found.at_cmc) == (may_send, not may_send)

    @pytest.mark.parametrize("asked", ["a", "b", None])
    def test_of_a_hard_bounce_is_everywhere(self, asked):
        assert judge((3, "hard", "a"), question=Question(asked)).reason == "hard"

    @pytest.mark.parametrize(
        ("word", "reason"), [("unsubscribed", ""), ("soft", ""), ("blocked", "blocked"), ("hard", "hard")]
    )
    def test_of_transactional_mail(self, word, reason):
        found = judge(
            (3, word, "a"), rule=SuppressionRule(soft=1), question=Question("a", transactional=True)
        )

        assert (found.reason, found.at_cmc) == (reason, word in ("unsubscribed", "blocked"))
        assert found.composition == ("a" if found.at_cmc else "")

    def test_of_transactional_mail_and_a_block_by_hand(self):
        question = Question("a", transactional=True)

        assert judge(decisions=[blocked()], question=question).reason == "by_hand"
        assert judge(decisions=[blocked("a")], question=question).reason == "by_hand"

    @pytest.mark.parametrize(
        ("word", "may_send"), [("hard", True), ("blocked", False), ("unsubscribed", False)]
    )
    def test_of_a_success_in_another_composition(self, word, may_send):
        assert judge((9, word, "a"), (3, "succeeded", "b")).may_send is may_send
        assert judge((9, word, "a"), (3, "succeeded", None)).may_send is may_send

    def test_of_a_block_of_one_composition(self):
        verdicts = [judge(decisions=[blocked("a")], question=Question(asked)) for asked in ("a", None, "b")]

        assert [(verdict.may_send, verdict.composition) for verdict in verdicts] == [
            (False, "a"),
            (False, "a"),
            (True, ""),
        ]

    def test_of_a_release_of_one_composition(self):
        outcomes = (3, "blocked", "a"), (3, "blocked", "b"), (2, "unsubscribed", "a")

        assert judge(*outcomes, decisions=[released(2, "a")]).composition == "b"
        assert judge(*outcomes, decisions=[released(2, "a")], question=Question("a")).may_send
        assert judge((3, "hard", "a"), decisions=[released(2, "a")]).reason == "hard"
        rule = SuppressionRule(soft=1)
        assert judge((3, "soft", "a"), rule=rule, decisions=[released(2, "a")]).may_send
        assert judge((3, "soft", "b"), rule=rule, decisions=[released(2, "a")]).reason == "soft"

    @pytest.mark.parametrize("word", ["hard", "blocked", "unsubscribed", "soft"])
    def test_of_a_release_of_all(self, word):
        rule = SuppressionRule(soft=1)

        assert judge((3, word, "a"), rule=rule, decisions=[released(3)]).may_send
        assert judge((2, word, "a"), rule=rule, decisions=[released(3)]).reason == word

    def test_of_a_block_beside_a_release(self):
        assert judge(decisions=[blocked("a"), released(0)]).reason == "by_hand"
        assert judge(decisions=[blocked(), released(0, "a")], question=Question("a")).reason == "by_hand"

    def test_of_what_cmc_refuses_is_not_that_of_a_release(self):
        found = judge((3, "blocked", "a"), decisions=[released(3)])

        assert found == Verdict(True, composition="a", at_cmc=True)
        assert judge((3, "blocked", "a"), decisions=[released(3)], question=Question("b")) == FREE

    def test_of_a_lift_is_its_list(self):
        lift = Decision("lifted", "a", day(0), None, day(3), "blocked")

        assert judge((3, "blocked", "a"), decisions=[lift]) == FREE
        assert judge((2, "blocked", "a"), decisions=[lift]).at_cmc
        assert judge((3, "unsubscribed", "a"), decisions=[lift]).reason == "unsubscribed"
        assert judge((3, "blocked", "b"), decisions=[lift]).reason == "blocked"


class TestKept:
    def kept(self, word, composition="", until=None):
        return Outcome(day(3), word, day(3), composition, is_kept=True, until=until)

    def judge(self, *outcomes, decisions=(), question=ANY):
        return rules.judge(Facts(outcomes, decisions), question, SuppressionRule(), NOW).verdict

    @pytest.mark.parametrize("word", ["hard", "soft", "blocked", "unsubscribed"])
    def test_answers_with_its_reason_and_its_end(self, word):
        found = self.judge(self.kept(word, until=day(-9)))

        assert found == Verdict(False, word, day(3), day(-9), at_cmc=word in ("blocked", "unsubscribed"))
        assert self.judge(self.kept(word, until=day(1))) == FREE

    def test_is_lifted_as_its_reason_is(self):
        assert self.judge(self.kept("unsubscribed", "a"), question=Question("b")) == FREE
        assert self.judge(self.kept("hard"), decisions=[released(3)]) == FREE
        assert self.judge(self.kept("unsubscribed", "a"), decisions=[released(3, "a")]).may_send
        assert self.judge(self.kept("hard"), Outcome(day(1), "succeeded", None, "b")) == FREE

    def test_of_soft_bounces_is_extended_by_another(self):
        found = self.judge(self.kept("soft", until=day(-9)), Outcome(day(1), "soft"))

        assert (found.reason, found.since, found.until) == ("soft", day(1), day(1 - 30))


class TestToKeep:
    def to_keep(self, *outcomes, decisions=()):
        facts = Facts([Outcome(day(days), *rest) for days, *rest in outcomes], decisions)
        return rules.to_keep(facts, SuppressionRule(), NOW)

    def test_is_each_reason_but_no_decision(self):
        found = self.to_keep(
            (3, "hard", None, "a"),
            (2, "blocked", None, "a"),
            (2, "blocked", None, "b"),
            decisions=[blocked()],
        )

        assert [(each.reason, each.cause) for each in found] == [
            ("hard", ""), ("blocked", "a"), ("blocked", "b"),
        ]  # fmt: skip

    def test_is_what_cmc_refuses_though_it_was_released(self):
        found = self.to_keep((3, "blocked", None, "a"), (3, "hard", None, "a"), decisions=[released(2)])

        assert [each.reason for each in found] == ["blocked"]

    @pytest.mark.parametrize(("other", "cause"), [("a", "a"), ("b", "")])
    def test_names_the_composition_of_all_soft_bounces(self, other, cause):
        found = self.to_keep((7, "soft", None, "a"), (5, "soft", None, "a"), (3, "soft", None, other))

        assert [(each.reason, each.cause, each.number) for each in found] == [("soft", cause, 3)]


class TestBelievable:
    def believable(self, ahead, word, heard_at):
        outcome = Outcome(NOW + ahead, word, heard_at)
        [*found] = rules.believable([outcome], NOW)
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
