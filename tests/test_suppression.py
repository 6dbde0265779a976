from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from cmc_webhooks import models, rows, suppression, verdicts
from cmc_webhooks.suppression import Outcome, Rule, Verdict
from tests import factories
from tests.conftest import bounce, delivery

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

        assert (verdict.may_send, verdict.reason, verdict.since) == (False, "suppressed", block.occurred_at)

    def test_knows_nothing_of_nobody(self):
        factories.MailFactory(recipient="", bounce_code="2", created_at=timezone.now())

        assert suppression.look_up("").verdict == FREE
        assert suppression.release("").forgiven_until is None

    def test_judges_by_more_mails_than_it_tells_of(self, monkeypatch):
        monkeypatch.setattr(suppression, "MOST_MAILS", 1)
        now = timezone.now()
        factories.MailFactory(recipient="a@x.jp", bounce_code="2", created_at=now - timedelta(days=2))
        factories.MailFactory(recipient="a@x.jp", created_at=now)

        found = suppression.look_up("a@x.jp")

        assert (found.verdict.reason, found.outcomes) == ("hard", [])

    def test_allows_what_was_never_written_to(self, django_assert_num_queries):
        with django_assert_num_queries(2):
            found = suppression.look_up("nobody@example.jp")

        assert found.verdict == FREE
        assert list(found.latest) == found.outcomes == []


@pytest.mark.django_db
class TestVerdicts:
    @pytest.fixture(autouse=True, params=[True, False], ids=["sql", "orm"])
    def way(self, request, settings):
        settings.CMC_WEBHOOKS_RAW_SQL = request.param

    def test_are_those_that_each_address_has_alone(self):
        now = timezone.now()
        ago = [now - timedelta(days=days) for days in range(9)]
        mails = factories.MailFactory
        mails(recipient="good@x.jp", delivery_status="succeeded", created_at=ago[1])
        mails(recipient="hard@x.jp", bounce_code="1", created_at=ago[1])
        mails(recipient="back@x.jp", bounce_code="1", created_at=ago[3])
        mails(recipient="back@x.jp", delivery_status="succeeded", created_at=ago[2])
        for days in (1, 2, 3):
            mails(recipient="soft@x.jp", bounce_code="5", created_at=ago[days])
            mails(recipient="mixed@x.jp", bounce_code="5", created_at=ago[days])
        mails(recipient="mixed@x.jp", delivery_status="succeeded", created_at=ago[2] - timedelta(hours=1))
        mails(recipient="old@x.jp", bounce_code="1", created_at=now - timedelta(days=181))
        factories.BlockEventFactory(address="blocked@x.jp", occurred_at=ago[4])
        suppression.block("hand@x.jp")
        names = ["good", "hard", "back", "soft", "mixed", "old", "blocked", "hand", "nobody"]

        found = suppression.verdicts(f"{name}@x.jp" for name in names)

        assert {name: found[f"{name}@x.jp"].reason for name in names} == {
            "good": "",
            "hard": "hard",
            "back": "",
            "soft": "soft",
            "mixed": "",
            "old": "",
            "blocked": "suppressed",
            "hand": "by_hand",
            "nobody": "",
        }
        assert found == {address: suppression.look_up(address).verdict for address in found}

    @pytest.mark.parametrize("created", ["2099-01-01 00:00:00", "9999-12-29 23:59:59"])
    @pytest.mark.parametrize("kind", ["bounces", "blocks"])
    def test_are_found_where_a_clock_is_ahead_by_years(self, open_hook, kind, created):
        told = (
            bounce(created=created) if kind == "bounces" else {"email": "user@example.jp", "created": created}
        )
        open_hook.send(kind, told, api_key=None)

        verdict = suppression.verdicts(["user@example.jp"])["user@example.jp"]

        assert verdict == suppression.look_up("user@example.jp").verdict
        assert not verdict.may_send
        assert abs(verdict.until - timezone.now() - timedelta(days=180)) < timedelta(minutes=1)

    def test_are_not_led_astray_by_a_success_that_is_still_to_come(self, open_hook):
        for values in ({"created": "2099-01-01 00:00:00"}, {"created": _now(days=3), "messageId": "<b@x>"}):
            open_hook.send("deliveries", delivery(status="succeeded", **values), api_key=None)
        open_hook.send("bounces", bounce("<c@x>", created=_now(days=2)), api_key=None)
        assert suppression.look_up("user@example.jp").verdict.reason == "hard"
        assert not suppression.may_send("user@example.jp")
        open_hook.send(
            "deliveries", delivery("<d@x>", status="succeeded", created=_now(days=1)), api_key=None
        )

        assert suppression.look_up("user@example.jp").verdict == FREE
        assert suppression.may_send("user@example.jp")

    def test_know_a_success_that_is_older_than_what_we_heard_late(self):
        long_ago = timezone.now() - timedelta(days=400)
        factories.MailFactory(recipient="a@x.jp", delivery_status="succeeded", created_at=long_ago)
        for address in ("a@x.jp", "b@x.jp"):
            factories.MailFactory(
                recipient=address,
                bounce_code="2",
                created_at=timezone.now(),
                status_at=long_ago - timedelta(days=9),
            )

        found = suppression.verdicts(["a@x.jp", "b@x.jp"])

        assert [verdict.may_send for verdict in found.values()] == [True, False]
        assert found == {address: suppression.look_up(address).verdict for address in found}

    @pytest.mark.parametrize("told", ["a@例え.jp", "a@xn--r8jz45g.jp"])
    def test_are_of_a_domain_in_either_of_its_forms(self, open_hook, told):
        forms = ["a@例え.jp", "A <a@xn--r8jz45g.jp>"]
        open_hook.send("bounces", bounce(to=told, created=_now(days=1)), api_key=None)
        open_hook.send("blocks", {"email": told, "created": _now(days=2)}, api_key=None)

        for asked in forms:
            assert not suppression.may_send(asked)
            assert suppression.look_up(asked).verdict.reason == "hard"
            suppression.release(asked)
            assert [verdict.may_send for verdict in suppression.verdicts(forms).values()] == [True, True]
            suppression.block(asked)
            assert {suppression.look_up(form).verdict.reason for form in forms} == {"by_hand"}
            assert suppression.forget(asked)

    def test_are_by_the_spelling_that_was_asked_for(self):
        factories.MailFactory(recipient="user@example.jp", bounce_code="2", created_at=timezone.now())
        spellings = ["USER@Example.JP", "User <user@example.jp>", "user@example.jp", "other@example.jp", ""]

        found = suppression.verdicts(spellings)

        assert [found[spelling].may_send for spelling in spellings] == [False, False, False, True, True]

    def test_tell_alike_letters_apart(self):
        factories.MailFactory(recipient="é@example.jp", bounce_code="2", created_at=timezone.now())

        assert suppression.may_send("e@example.jp")
        assert not suppression.may_send("é@example.jp")

    def test_take_no_success_of_an_address_alike(self):
        ago = [timezone.now() - timedelta(days=days) for days in range(3)]
        factories.MailFactory(recipient="é@example.jp", bounce_code="2", created_at=ago[2])
        factories.MailFactory(recipient="e@example.jp", delivery_status="succeeded", created_at=ago[1])

        found = suppression.verdicts(["é@example.jp", "e@example.jp"])

        assert [found[address].may_send for address in ("é@example.jp", "e@example.jp")] == [False, True]

    def test_are_in_the_order_that_was_asked_for(self):
        assert list(suppression.verdicts(["b@x.jp", "c@x.jp", "a@x.jp", "c@x.jp"])) == [
            "b@x.jp",
            "c@x.jp",
            "a@x.jp",
        ]

    def test_compare_long_addresses_whole(self):
        long = "a" * 320
        now = timezone.now()
        factories.MailFactory(recipient=f"{long}b@x.jp", address=long, bounce_code="2", created_at=now)

        assert suppression.may_send(f"{long}c@x.jp")
        assert not suppression.may_send(f"{long}b@x.jp")
        assert suppression.may_send(long)

    def test_compare_long_addresses_of_blocks_whole(self, open_hook):
        long = "a" * 320
        open_hook.send("blocks", {"email": f"B <{long}b@x.jp>"}, api_key=None)

        assert suppression.may_send(f"{long}c@x.jp")
        assert suppression.may_send(long)
        assert not suppression.may_send(f"{long.upper()}b@x.jp")

    def test_cost_one_statement_for_a_thousand(self, django_assert_num_queries):
        addresses = [f"user{number}@example.jp" for number in range(2001)]

        with django_assert_num_queries(3):
            found = suppression.verdicts(addresses)

        assert len(found) == 2001


@pytest.mark.django_db
class TestRelease:
    def test_holds_until_a_newer_bounce(self, open_hook):
        bounced = {"messageId": "<a@x>", "created": _now(days=2), "status": "2"}
        open_hook.send("bounces", bounce(**bounced), api_key=None)
        suppression.release("User <USER@example.jp>", note="called")

        assert suppression.may_send("user@example.jp")
        open_hook.send("bounces", bounce(**bounced), api_key=None)
        open_hook.send("bounces", bounce(**bounced | {"created": _now(days=3)}), api_key=None)
        assert suppression.may_send("user@example.jp")
        open_hook.send("bounces", bounce("<b@x>", created=_now(days=1)), api_key=None)
        assert suppression.look_up("user@example.jp").verdict.reason == "hard"

    @pytest.mark.parametrize("length", [320, 321])
    @pytest.mark.parametrize("kind", ["bounces", "blocks"])
    def test_forgives_addresses_longer_than_their_column(self, open_hook, kind, length):
        long = f"{'a' * (length - 5)}@x.jp"
        told = bounce(to=long, created=_now()) if kind == "bounces" else {"to": long, "created": _now()}
        open_hook.send(kind, told, api_key=None)
        assert not suppression.may_send(long)

        suppression.release(long)

        assert suppression.may_send(long)

    def test_forgives_no_bounce_to_come_though_a_clock_was_ahead(self, open_hook):
        open_hook.send("bounces", bounce(created="2099-01-01 00:00:00"), api_key=None)
        suppression.release("user@example.jp")
        assert suppression.may_send("user@example.jp")
        open_hook.send("bounces", bounce("<b@x>", created=_now(days=-0.5)), api_key=None)

        assert not suppression.may_send("user@example.jp")

    def test_ends_a_block_by_hand(self):
        suppression.block("a@x.jp")
        suppression.release("a@x.jp")

        assert suppression.may_send("a@x.jp")
        assert models.Suppression.objects.count() == 1


@pytest.mark.django_db
class TestBlock:
    def test_forbids_whatever_mails_tell(self):
        factories.MailFactory(recipient="a@x.jp", delivery_status="succeeded", created_at=timezone.now())
        suppression.block("A@x.jp", note="asked for it")

        verdict = suppression.look_up("a@x.jp").verdict

        assert (verdict.may_send, verdict.reason, verdict.until) == (False, "by_hand", None)
        assert not suppression.may_send("a@x.jp")

    def test_ends_when_it_is_said_to(self):
        suppression.block("a@x.jp", until=timezone.now() + timedelta(hours=1))
        suppression.block("b@x.jp", until=timezone.now() - timedelta(hours=1))

        assert not suppression.may_send("a@x.jp")
        assert suppression.may_send("b@x.jp")

    def test_leaves_forgiven_what_was_forgiven_before_it(self, open_hook):
        open_hook.send("bounces", bounce(created=_now(days=1)), api_key=None)
        suppression.release("user@example.jp")
        suppression.block("user@example.jp", until=timezone.now() - timedelta(seconds=1))

        assert suppression.may_send("user@example.jp")
        open_hook.send("bounces", bounce("<b@x>", created=_now()), api_key=None)
        assert not suppression.may_send("user@example.jp")

    def test_is_taken_back(self):
        suppression.block("a@x.jp")

        assert (suppression.forget("A@X.jp"), suppression.forget("a@x.jp")) == (True, False)
        assert suppression.may_send("a@x.jp")


@pytest.mark.django_db
class TestRule:
    def test_is_the_setting(self, settings):
        settings.CMC_WEBHOOKS_SUPPRESSION = {"soft": 1, "expires": None}
        long_ago = timezone.now() - timedelta(days=9999)
        factories.MailFactory(recipient="a@x.jp", bounce_code="5", created_at=long_ago)

        assert suppression.look_up("a@x.jp").verdict == Verdict(False, "soft", long_ago)
        assert not suppression.may_send("a@x.jp")

    @pytest.mark.parametrize("days", [999_999, 10**12])
    def test_takes_a_number_of_days_that_no_calendar_has_for_ever(self, settings, days):
        settings.CMC_WEBHOOKS_SUPPRESSION = {"soft": 2, "window": days, "expires": days}
        for at in (timezone.now(), timezone.now() - timedelta(days=9999)):
            factories.MailFactory(recipient="a@x.jp", bounce_code="5", created_at=at)

        assert suppression.look_up("a@x.jp").verdict.reason == "soft"
        assert not suppression.may_send("a@x.jp")

    def test_counts_from_the_receipt_of_old_news(self, open_hook):
        open_hook.send("bounces", bounce(created="2020-01-01 00:00:00"), api_key=None)

        verdict = suppression.look_up("user@example.jp").verdict

        assert not verdict.may_send
        assert verdict.until > timezone.now() + timedelta(days=179)


def _now(days=0):
    """A wall clock, as CMC's is."""
    moment = datetime.now(ZoneInfo("Asia/Tokyo")) - timedelta(days=days)
    return f"{moment:%Y-%m-%d %H:%M:%S}"


@pytest.mark.django_db
class TestNaiveTimes:
    def test_are_compared_as_what_they_mean(self, settings, open_hook):
        settings.USE_TZ, settings.TIME_ZONE = False, "America/New_York"
        soon, now = timedelta(hours=1), datetime.now(UTC)
        open_hook.send(
            "bounces", bounce(created=f"{now.astimezone(ZoneInfo('Asia/Tokyo')):%Y-%m-%d %H:%M:%S}")
        )
        suppression.block("a@x.jp", until=now + soon)
        suppression.block("b@x.jp", until=now - soon)
        suppression.block("c@x.jp", until=rows.stored(now + soon))  # as a form of the admin has it

        verdicts = suppression.verdicts(["user@example.jp", "a@x.jp", "b@x.jp", "c@x.jp"])

        assert [verdict.may_send for verdict in verdicts.values()] == [False, False, True, False]
        assert verdicts["c@x.jp"] == verdicts["a@x.jp"]._replace(since=verdicts["c@x.jp"].since)
        assert suppression.look_up("user@example.jp").verdict == verdicts["user@example.jp"]
        assert abs(verdicts["user@example.jp"].since - now) < timedelta(minutes=1)
        assert verdicts["a@x.jp"].until == now + soon
        assert suppression.release("user@example.jp").forgiven_until is not None
        assert suppression.may_send("user@example.jp")
