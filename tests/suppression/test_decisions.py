"""What people decide on addresses, and the rule that a project sets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import OperationalError, transaction
from django.utils import timezone

from cmc_webhooks import audit, models, signals, suppression, timezones, wire
from cmc_webhooks.suppression import lookup
from cmc_webhooks.suppression.lookup import Verdict
from tests.conftest import bounce
from tests.helpers import factories
from tests.suppression.test_lookup import tokyo


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
        assert lookup.look_up("user@example.jp").verdict.reason == "hard"

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

        verdict = lookup.look_up("a@x.jp").verdict

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
        settings.CMC_WEBHOOKS_SUPPRESSION = {"soft": 1, "soft_expires": None}
        long_ago = timezone.now() - timedelta(days=9999)
        factories.MailFactory(recipient="a@x.jp", bounce_code="5", created_at=long_ago)

        assert lookup.look_up("a@x.jp").verdict == Verdict(False, "soft", long_ago)
        assert not suppression.may_send("a@x.jp")

    @pytest.mark.parametrize("days", [999_999, 10**12])
    def test_takes_a_number_of_days_that_no_calendar_has_for_ever(self, settings, days):
        settings.CMC_WEBHOOKS_SUPPRESSION = {"soft": 2, "window": days, "expires": days}
        for at in (timezone.now(), timezone.now() - timedelta(days=9999)):
            factories.MailFactory(recipient="a@x.jp", bounce_code="5", created_at=at)

        assert lookup.look_up("a@x.jp").verdict.reason == "soft"
        assert not suppression.may_send("a@x.jp")

    def test_counts_from_the_receipt_of_old_news(self, open_hook):
        open_hook.send("bounces", bounce(created="2020-01-01 00:00:00"), api_key=None)

        verdict = lookup.look_up("user@example.jp").verdict

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
        suppression.block("c@x.jp", until=timezones.to_stored(now + soon))  # as a form of the admin has it

        verdicts = suppression.verdicts(["user@example.jp", "a@x.jp", "b@x.jp", "c@x.jp"])

        assert [verdict.may_send for verdict in verdicts.values()] == [False, False, True, False]
        assert verdicts["c@x.jp"] == verdicts["a@x.jp"]._replace(since=verdicts["c@x.jp"].since)
        assert lookup.look_up("user@example.jp").verdict == verdicts["user@example.jp"]
        assert abs(verdicts["user@example.jp"].since - now) < timedelta(minutes=1)
        assert verdicts["a@x.jp"].until == now + soon
        assert suppression.release("user@example.jp").forgiven_until is not None
        assert suppression.may_send("user@example.jp")


@pytest.mark.django_db
class TestScope:
    def test_is_one_decision_for_each_composition(self):
        for composition in ("", "a", "b"):
            suppression.block("x@x.jp", composition=composition)
        suppression.release("x@x.jp", composition="a")

        kinds = {row.server_composition: row.kind for row in models.Suppression.objects.all()}
        assert kinds == {"": "blocked", "a": "released", "b": "blocked"}
        assert suppression.forget("x@x.jp")
        assert [suppression.may_send("x@x.jp", composition=each) for each in ("a", "b", "c")] == [
            True,
            False,
            True,
        ]

    def test_of_no_composition_has_the_key_of_the_address(self):
        assert suppression.block("X <x@x.jp>").pk == wire.address_key("x@x.jp")
        assert suppression.block("x@x.jp", composition="a").pk != wire.address_key("x@x.jp")
        assert {row.address_key for row in models.Suppression.objects.all()} == {wire.address_key("x@x.jp")}

    def test_of_a_composition_longer_than_its_column(self):
        suppression.block("x@x.jp", composition="a" * 300)

        assert not suppression.may_send("x@x.jp", composition="a" * 300)
        assert suppression.forget("x@x.jp", composition="a" * 300)

    def test_of_a_release_is_what_belongs_to_its_composition(self):
        for code, composition in (("10", "a"), ("11", "b")):
            factories.MailFactory(
                recipient="x@x.jp",
                bounce_code=code,
                server_composition=composition,
                created_at=timezone.now(),
            )
        suppression.release("x@x.jp", composition="a")

        assert suppression.may_send("x@x.jp", composition="a")
        assert not suppression.may_send("x@x.jp", composition="b")
        assert not suppression.may_send("x@x.jp")

    def test_of_a_later_release_is_no_smaller_than_that_of_an_earlier_one(self):
        now = timezone.now()
        mail = factories.MailFactory(recipient="x@x.jp", bounce_code="2", created_at=now)
        first = suppression.release("x@x.jp")
        mail.delete()
        second = suppression.release("x@x.jp")

        assert second.forgiven_until == first.forgiven_until is not None


@pytest.mark.django_db
class TestSuppressionChanged:
    @pytest.fixture
    def heard(self, receiver):
        found = []
        receiver(
            signals.suppression_changed,
            lambda sender, address, composition, action, decision, **more: found.append(
                (address, composition, action, decision and decision.kind)
            ),
        )
        return found

    def test_is_sent_for_each_decision(self, heard, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            suppression.block("X <X@x.jp>", composition="a")
            suppression.release('"x"@x.jp')
            suppression.forget("x@x.jp", composition="a")
            suppression.forget("x@x.jp", composition="nothing")

        assert heard == [
            ("x@x.jp", "a", "blocked", "blocked"),
            ("x@x.jp", "", "released", "released"),
            ("x@x.jp", "a", "forgotten", None),
        ]

    def test_is_sent_after_the_commit(self, heard, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
            suppression.block("x@x.jp")
            assert heard == []

        assert len(heard) == 1

    def test_is_not_sent_for_what_was_rolled_back(self, heard, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
            suppression.block("x@x.jp")
            transaction.set_rollback(True)

        assert heard == []

    def test_reaches_the_others_if_a_receiver_raises(self, receiver, django_capture_on_commit_callbacks):
        heard = []

        def fails(**arguments):
            raise LookupError

        receiver(signals.suppression_changed, fails)
        receiver(signals.suppression_changed, lambda **arguments: heard.append(arguments))
        with django_capture_on_commit_callbacks(execute=True):
            suppression.block("x@x.jp")

        assert len(heard) == 1


@pytest.mark.django_db
class TestTrail:
    def test_has_a_row_for_each_decision_that_names_nobody(self, caplog, django_capture_on_commit_callbacks):
        caplog.set_level("INFO", "cmc_webhooks")
        with django_capture_on_commit_callbacks(execute=True):
            suppression.block("x@x.jp", composition="a", author="17", via="admin", note="phone")
            suppression.release("x@x.jp", composition="a", author="18", via="api")
            suppression.forget("x@x.jp", composition="a", author="19", via="command", note="mistake")
            suppression.forget("x@x.jp", composition="a")

        rows = list(models.Trail.objects.order_by("pk"))
        assert [(row.what, row.who, row.via, row.reason, row.rows) for row in rows] == [
            ("blocked", "17", "admin", "phone", 1),
            ("released", "18", "api", "", 1),
            ("forgotten", "19", "command", "mistake", 1),
        ]
        earlier = [row.details["before"] and row.details["before"]["author"] for row in rows]
        assert earlier == [None, "17", "18"]
        assert {row.address_hash for row in rows} == {audit.address_hash("x@x.jp")}
        records = [each for each in caplog.records if each.cmc_event == "suppression_decided"]
        assert [record.action for record in records] == ["blocked", "released", "forgotten"]
        assert "x@x.jp" not in f"{[row.__dict__ for row in rows]}{[vars(each) for each in records]}"

    def test_is_rolled_back_with_its_decision(self):
        with transaction.atomic():
            suppression.block("x@x.jp")
            transaction.set_rollback(True)

        assert not models.Trail.objects.exists()

    @pytest.mark.parametrize("decide", ["block", "release", "forget"])
    def test_is_there_or_the_decision_is_not(self, monkeypatch, decide):
        suppression.block("x@x.jp", author="1")
        before = list(models.Suppression.objects.values())

        def fails(using, record):
            raise OperationalError

        monkeypatch.setattr("cmc_webhooks.store.trail.add", fails)
        with pytest.raises(OperationalError):
            getattr(suppression, decide)("x@x.jp", author="2")

        assert list(models.Suppression.objects.values()) == before
