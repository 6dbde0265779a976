from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cmc_webhooks import models, suppression
from cmc_webhooks.suppression import lookup
from tests.conftest import bounce, delivery
from tests.helpers import factories
from tests.suppression.test_rules import FREE


def tokyo(days=0):
    """A wall clock, as CMC's is."""
    moment = datetime.now(ZoneInfo("Asia/Tokyo")) - timedelta(days=days)
    return f"{moment:%Y-%m-%d %H:%M:%S}"


@pytest.mark.django_db
class TestLookUp:
    @pytest.mark.parametrize("spelling", ["user@example.jp", "USER@Example.JP", "User <user@example.jp>"])
    def test_takes_any_spelling(self, spelling, open_hook):
        open_hook.send("bounces", bounce(to="User@Example.JP", status="2"), api_key=None)

        assert lookup.look_up(spelling).bounces == {"hard": 1}

    def test_holds_the_recipient_alone_to_account(self, open_hook):
        open_hook.send("bounces", bounce(to="b@example.jp", created=tokyo(), status="1"), api_key=None)

        assert not suppression.may_send("b@example.jp")
        assert suppression.may_send("a@example.jp")

    def test_counts_mails_by_the_class_of_their_bounce(self):
        for code in ("1", "2", "5", "77"):
            factories.MailFactory(recipient="a@example.jp", bounce_code=code)
        factories.MailFactory(recipient="a@example.jp", delivery_status="succeeded")
        factories.MailFactory(recipient="a@example.jp", delivery_status="bounced")  # a delivery's word

        assert lookup.look_up("a@example.jp").bounces == {"hard": 2, "soft": 1, "unknown": 1}

    def test_lets_operations_on_the_block_list_forbid(self):
        block = factories.BlockEventFactory(address="a@example.jp", occurred_at=datetime.now(UTC))

        verdict = lookup.look_up("A@example.jp").verdict

        assert (verdict.may_send, verdict.reason, verdict.since) == (False, "blocked", block.occurred_at)

    def test_knows_nothing_of_nobody(self):
        factories.MailFactory(recipient="", bounce_code="2", created_at=timezone.now())

        assert lookup.look_up("").verdict == FREE
        assert suppression.release("").forgiven_until is None

    def test_judges_by_more_mails_than_it_tells_of(self, monkeypatch):
        monkeypatch.setattr(lookup, "MOST_MAILS", 1)
        now = timezone.now()
        factories.MailFactory(recipient="a@x.jp", bounce_code="2", created_at=now - timedelta(days=2))
        factories.MailFactory(recipient="a@x.jp", created_at=now)

        found = lookup.look_up("a@x.jp")

        assert (found.verdict.reason, found.bounces) == ("hard", {})

    def test_allows_what_was_never_written_to(self, django_assert_num_queries):
        with django_assert_num_queries(2):
            found = lookup.look_up("nobody@example.jp")

        assert found.verdict == FREE
        assert list(found.latest) == found.at_cmc == []
        assert found.bounces == {}


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
            "blocked": "blocked",
            "hand": "by_hand",
            "nobody": "",
        }
        assert found == {address: lookup.look_up(address).verdict for address in found}

    @pytest.mark.parametrize("created", ["2099-01-01 00:00:00", "9999-12-29 23:59:59"])
    @pytest.mark.parametrize("kind", ["bounces", "blocks"])
    def test_are_found_where_a_clock_is_ahead_by_years(self, open_hook, kind, created):
        told = (
            bounce(created=created) if kind == "bounces" else {"email": "user@example.jp", "created": created}
        )
        open_hook.send(kind, told, api_key=None)

        verdict = suppression.verdicts(["user@example.jp"])["user@example.jp"]

        assert verdict == lookup.look_up("user@example.jp").verdict
        assert not verdict.may_send
        assert abs(verdict.until - timezone.now() - timedelta(days=180)) < timedelta(minutes=1)

    def test_are_not_led_astray_by_a_success_that_is_still_to_come(self, open_hook):
        for values in (
            {"created": "2099-01-01 00:00:00"},
            {"created": tokyo(days=3), "messageId": "<b@x>"},
        ):
            open_hook.send("deliveries", delivery(status="succeeded", **values), api_key=None)
        open_hook.send("bounces", bounce("<c@x>", created=tokyo(days=2)), api_key=None)
        assert lookup.look_up("user@example.jp").verdict.reason == "hard"
        assert not suppression.may_send("user@example.jp")
        open_hook.send(
            "deliveries", delivery("<d@x>", status="succeeded", created=tokyo(days=1)), api_key=None
        )

        assert lookup.look_up("user@example.jp").verdict == FREE
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
        assert found == {address: lookup.look_up(address).verdict for address in found}

    @pytest.mark.parametrize("told", ["a@例え.jp", "a@xn--r8jz45g.jp"])
    def test_are_of_a_domain_in_either_of_its_forms(self, open_hook, told):
        forms = ["a@例え.jp", "A <a@xn--r8jz45g.jp>"]
        open_hook.send("bounces", bounce(to=told, created=tokyo(days=1)), api_key=None)
        open_hook.send("blocks", {"email": told, "created": tokyo(days=2)}, api_key=None)

        for asked in forms:
            assert not suppression.may_send(asked)
            assert lookup.look_up(asked).verdict.reason == "hard"
            suppression.release(asked)
            assert [verdict.may_send for verdict in suppression.verdicts(forms).values()] == [True, True]
            suppression.block(asked)
            assert {lookup.look_up(form).verdict.reason for form in forms} == {"by_hand"}
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

    def test_cost_one_statement_whatever_is_known(self, django_assert_num_queries):
        now = timezone.now()
        for number in range(0, 40, 4):
            name = f"user{number}@example.jp"
            factories.MailFactory(recipient=name, bounce_code="11", created_at=now)
            factories.MailFactory(recipient=name, delivery_status="succeeded", created_at=now)
            factories.BlockEventFactory(address=f"user{number + 1}@example.jp", occurred_at=now)
            suppression.block(f"user{number + 2}@example.jp", composition="news")
            suppression.release(name, composition="pro")
            suppression.block(name, until=now - timedelta(days=1))
        addresses = [f"user{number}@example.jp" for number in range(1000)]

        for question in ({}, {"composition": "news", "transactional": True}):
            with django_assert_num_queries(1):
                found = suppression.verdicts(addresses, **question)
            with django_assert_num_queries(1):
                explained = suppression.explain(addresses, **question)
            assert found == {address: each.verdict for address, each in explained.items()}
        assert found["user2@example.jp"].reason == "by_hand"

    def test_are_found_by_indexes(self, settings):
        """No table is read as a whole, but for a small one of decisions."""
        if not settings.CMC_WEBHOOKS_RAW_SQL:
            pytest.skip("planners read a small table as a whole for the ORM's query")
        for number in range(300):
            name = f"user{number}@example.jp"
            factories.MailFactory(recipient=name, bounce_code="2" if number % 5 == 0 else "")
            factories.BlockEventFactory(address=f"blocked{number}@example.jp")
            factories.SuppressionFactory(address=f"hand{number}@example.jp")
        with connection.cursor() as cursor:
            tables = ", ".join(
                model._meta.db_table for model in (models.Mail, models.BlockEvent, models.Suppression)
            )
            if connection.vendor != "mysql":
                cursor.execute("ANALYZE" if connection.vendor == "sqlite" else f"ANALYZE {tables}")
        with CaptureQueriesContext(connection) as captured:
            suppression.verdicts([f"user{number}@example.jp" for number in range(9)])
        [query] = captured.captured_queries

        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{query['sql']}")
            plan = " ".join(str(row) for row in cursor.fetchall())

        whole = re.findall(r"(?:Seq Scan on|SCAN) \"?(cmc_webhooks_\w+)(?!\S* USING)", plan)
        whole += re.findall(r"'(cmc_webhooks_\w+)', '(?:ALL|index)'", plan)
        assert {*whole} <= {"cmc_webhooks_suppression"}
        assert "cmc_suppression_key" in plan or whole
