"""What people decide on addresses, and the rule that a project sets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from cmc_webhooks import models, rows, suppression
from cmc_webhooks.suppression import Verdict
from tests import factories
from tests.conftest import bounce
from tests.test_suppression import tokyo


@pytest.mark.django_db
class TestRelease:
    def test_holds_until_a_newer_bounce(self, open_hook):
        bounced = {"messageId": "<a@x>", "created": tokyo(days=2), "status": "2"}
        open_hook.send("bounces", bounce(**bounced), api_key=None)
        suppression.release("User <USER@example.jp>", note="called")

        assert suppression.may_send("user@example.jp")
        open_hook.send("bounces", bounce(**bounced), api_key=None)
        open_hook.send("bounces", bounce(**bounced | {"created": tokyo(days=3)}), api_key=None)
        assert suppression.may_send("user@example.jp")
        open_hook.send("bounces", bounce("<b@x>", created=tokyo(days=1)), api_key=None)
        assert suppression.look_up("user@example.jp").verdict.reason == "hard"

    @pytest.mark.parametrize("length", [320, 321])
    @pytest.mark.parametrize("kind", ["bounces", "blocks"])
    def test_forgives_addresses_longer_than_their_column(self, open_hook, kind, length):
        long = f"{'a' * (length - 5)}@x.jp"
        told = bounce(to=long, created=tokyo()) if kind == "bounces" else {"to": long, "created": tokyo()}
        open_hook.send(kind, told, api_key=None)
        assert not suppression.may_send(long)

        suppression.release(long)

        assert suppression.may_send(long)

    def test_forgives_no_bounce_to_come_though_a_clock_was_ahead(self, open_hook):
        open_hook.send("bounces", bounce(created="2099-01-01 00:00:00"), api_key=None)
        suppression.release("user@example.jp")
        assert suppression.may_send("user@example.jp")
        open_hook.send("bounces", bounce("<b@x>", created=tokyo(days=-0.5)), api_key=None)

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
        open_hook.send("bounces", bounce(created=tokyo(days=1)), api_key=None)
        suppression.release("user@example.jp")
        suppression.block("user@example.jp", until=timezone.now() - timedelta(seconds=1))

        assert suppression.may_send("user@example.jp")
        open_hook.send("bounces", bounce("<b@x>", created=tokyo()), api_key=None)
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
