from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cmc_webhooks import suppression
from cmc_webhooks.suppression import Outcome, Rule, Verdict
from tests import factories
from tests.conftest import bounce

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
        assert judge((9, "succeeded"), (3, word)) == Verdict(may_send=False, reason=word, since=day(3))

    @pytest.mark.parametrize("word", ["policy", "message", "unknown"])
    def test_says_nothing_of_the_address(self, word):
        assert judge(*[(days, word) for days in range(9)]) == FREE

    @pytest.mark.parametrize("word", ["hard", "suppressed"])
    def test_allows_again_after_a_later_success(self, word):
        assert judge((9, word), (3, "succeeded")) == FREE

    def test_counts_the_bounce_at_the_instant_of_a_success(self):
        assert judge((3, "succeeded"), (3, "hard")).reason == "hard"

    def test_forbids_after_soft_ones_in_a_row(self):
        assert judge((4, "soft"), (3, "soft")) == FREE
        assert judge((4, "soft"), (3, "soft"), (2, "soft")) == Verdict(
            may_send=False, reason="soft", since=day(2)
        )

    def test_begins_the_row_again_after_a_success(self):
        assert judge((5, "soft"), (4, "soft"), (3, "succeeded"), (2, "soft")) == FREE

    def test_begins_the_row_again_after_the_window(self):
        assert judge((90, "soft"), (50, "soft"), (2, "soft")) == FREE

    def test_keeps_a_row_that_other_bounces_stand_in(self):
        assert judge((5, "soft"), (4, "soft"), (3, "policy"), (2, "soft")).reason == "soft"

    def test_keeps_a_hard_verdict_when_one_soft_bounce_follows(self):
        assert judge((5, "hard"), (4, "soft")) == Verdict(may_send=False, reason="hard", since=day(5))

    def test_expires(self):
        assert judge((181, "hard")) == FREE
        assert judge((179, "hard")).reason == "hard"

    def test_goes_by_the_rule_that_it_is_given(self):
        assert judge((3, "soft"), rule=Rule(soft=1)).reason == "soft"
        assert judge((3, "hard"), rule=Rule(expires=timedelta(days=2))) == FREE


@pytest.mark.django_db
class TestLookUp:
    @pytest.mark.parametrize("spelling", ["user@example.jp", "USER@Example.JP", "User <user@example.jp>"])
    def test_takes_any_spelling(self, spelling, open_hook):
        open_hook.send("bounces", bounce(to="User@Example.JP", status="2"), api_key=None)

        assert suppression.look_up(spelling).bounces == {"hard": 1}

    def test_holds_the_recipient_alone_to_account(self, open_hook):
        open_hook.send("bounces", bounce(to="b@example.jp", created=_now(), status="1"), api_key=None)

        assert not suppression.may_send("b@example.jp")
        assert suppression.may_send("a@example.jp")

    def test_counts_mails_by_the_class_of_their_bounce(self):
        for code in ("1", "2", "5", "77"):
            factories.MailFactory(recipient="a@example.jp", bounce_code=code)
        factories.MailFactory(recipient="a@example.jp", delivery_status="succeeded")
        factories.MailFactory(recipient="a@example.jp", delivery_status="bounced")  # a delivery's word

        assert suppression.look_up("a@example.jp").bounces == {"hard": 2, "soft": 1, "unknown": 1}

    def test_lets_operations_on_the_block_list_forbid(self):
        block = factories.BlockEventFactory(address="a@example.jp", occurred_at=datetime.now(UTC))

        verdict = suppression.look_up("A@example.jp").verdict

        assert verdict == Verdict(may_send=False, reason="suppressed", since=block.occurred_at)

    def test_allows_what_was_never_written_to(self, django_assert_num_queries):
        with django_assert_num_queries(2):
            found = suppression.look_up("nobody@example.jp")

        assert found.verdict == FREE
        assert list(found.latest) == found.outcomes == []


def _now():
    return datetime.now().strftime("%Y-%m-%d %H:%M:%S")  # noqa: DTZ005 - a wall clock, as CMC's is
