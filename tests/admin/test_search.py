from __future__ import annotations

from functools import cache

import pytest
from django.db import connection
from django.utils import timezone

from cmc_webhooks import models
from tests.admin.conftest import FACTORIES, browser_of, is_page, statements
from tests.helpers import factories

pytestmark = pytest.mark.django_db

MANY = 2000
SEARCHED = ["mail", "deliveryevent", "bounceevent"]


class TestSearch:
    @pytest.fixture
    def mail(self):
        factories.MailFactory.create_batch(3)
        return factories.MailFactory(
            message_id="<wanted@example.com>",
            recipient="Wanted <W@Example.jp>",
            api_data="order-7",
            reason="550 wanted",
        )

    SPELLINGS = [
        "wanted@example.com",
        " <wanted@example.com> ",
        "w@example.jp",
        "Who <W@EXAMPLE.JP>",
        "order-7",
    ]

    @pytest.mark.parametrize("typed", SPELLINGS)
    def test_finds_a_mail_and_its_events(self, browser, mail, typed):
        delivery = factories.DeliveryEventFactory(mail=mail)
        bounce = factories.BounceEventFactory(mail=mail)
        factories.BounceEventFactory()

        assert browser.listed("mail", q=typed) == [mail]
        assert browser.listed("deliveryevent", q=typed) == [delivery]
        assert browser.listed("bounceevent", q=typed) == [bounce]

    @pytest.mark.parametrize("typed", ["wanted", "550 wanted", "wante", "@example.com", "%", "_", "メール"])
    def test_finds_no_part_of_a_text(self, browser, mail, typed):
        assert browser.listed("mail", q=typed) == []

    @pytest.mark.parametrize("typed", SPELLINGS)
    def test_compares_for_equality_only(self, browser, mail, typed):
        asked = statements(lambda: [browser.listed(name, q=typed) for name in SEARCHED])

        # Where a collation takes é for e, an equality finds by index, and LIKE BINARY looks again.
        inexact = [sql for sql in asked if "LIKE" in sql and "LIKE BINARY" not in sql]
        assert inexact == []
        assert connection.vendor == "mysql" or not [sql for sql in asked if "LIKE" in sql]
        assert not [sql for sql in asked if "reason" in sql.partition("WHERE")[2] and is_page(sql)]

    def test_looks_for_a_word_as_message_and_as_address(self, browser):
        word = "both@example.com"
        by_message = factories.MailFactory(message_id=f"<{word}>")
        by_address = factories.MailFactory(recipient=word)
        factories.MailFactory(api_data=word)

        assert browser.listed("mail", q=word) == [by_address, by_message]

    def test_takes_no_letter_for_another(self, browser):
        factories.MailFactory(recipient="jose@example.jp", api_data="Order")

        assert browser.listed("mail", q="josé@example.jp") == []
        assert browser.listed("mail", q="order") == []

    def test_finds_nothing_for_an_empty_address(self, browser):
        factories.MailFactory(message_id="", recipient="")

        assert browser.listed("mail", q="<>") == []

    def test_keeps_to_the_filters(self, browser, mail):
        bounced = factories.MailFactory(message_id=mail.message_id, bounce_code="2")

        assert browser.listed("mail", q=mail.message_id, status="bounced") == [bounced]

    def test_finds_blocks_by_address(self, browser):
        block = factories.BlockEventFactory(address="b@example.jp")
        factories.BlockEventFactory()

        assert browser.listed("blockevent", q="X <B@example.jp>") == [block]
        assert len(browser.listed("blockevent", q="  ")) == 2

    @pytest.mark.parametrize("name", [*SEARCHED, "blockevent"])
    @pytest.mark.parametrize(
        "typed", ["\0", "a\0b@x", "<>", "'; --", "x" * 5000, "\ud800".encode("utf-16", "surrogatepass")]
    )
    def test_survives_any_text(self, browser, name, typed):
        FACTORIES[name]()

        assert browser.open_list(name, q=typed).status_code == 200


class TestPlan:
    """Case C53: what is typed is found by an index, in a table that is worth one."""

    @staticmethod
    @cache
    def made():
        mails = factories.MailFactory.build_batch(MANY)
        for number, mail in enumerate(mails):
            mail.api_data = f"order-{number}" if number % 2 else ""
        build = factories.DeliveryEventFactory.build
        return mails, [build(mail=mail, notification_id=mail.pk) for mail in mails]

    @pytest.fixture
    def many(self):
        mails, events = self.made()
        models.Mail.objects.bulk_create(mails)
        models.DeliveryEvent.objects.bulk_create(events)
        # There, ANALYZE would commit; InnoDB counts by itself.
        if connection.vendor != "mysql":
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE")
        return mails

    @staticmethod
    def plan(browser, name, typed):
        found = browser.open_list(name, q=typed).context["cl"].queryset
        assert found.count() == 1
        return found.explain()

    @staticmethod
    def scans(plan):
        signs = {"sqlite": "SCAN cmc", "postgresql": "Seq Scan on cmc", "mysql": "\tALL\t"}
        return signs[connection.vendor] in plan

    @pytest.mark.parametrize("column", ["message_id", "address", "api_data"])
    def test_reads_no_whole_table(self, browser, many, column):
        wanted = getattr(many[MANY // 2 + 1], column)

        plans = [self.plan(browser, name, wanted) for name in ("mail", "deliveryevent")]

        assert [plan for plan in plans if self.scans(plan)] == []

    def test_uses_the_index_of_addresses(self, browser, many):
        assert "cmc_mail_address" in self.plan(browser, "mail", many[7].address)

    @pytest.mark.parametrize("name", ["mail", "deliveryevent"])
    @pytest.mark.parametrize("typed", ["order-198", "ORDER-198"])
    def test_reads_no_whole_table_for_a_beginning(self, browser, many, name, typed):
        shown = browser.open_list(name, q=typed)

        found = shown.context["cl"].queryset
        assert found.count() == 5
        assert "begin with" in shown.context["meaning"].words
        assert not self.scans(found.explain())

    def test_does_not_look_for_api_data_where_an_address_is_meant(self, browser, many):
        asked = statements(lambda: browser.open_list("mail", q=many[7].address))

        assert not [sql for sql in asked if "api_data" in sql.partition("WHERE")[2]]


class TestUnderstanding:
    @pytest.fixture
    def mails(self):
        return [
            factories.MailFactory(
                message_id="<one@shop.example>",
                recipient="Taro@Example.jp",
                api_data="order-1",
                subject="予約の確認",
            ),
            factories.MailFactory(recipient="jiro@other.example", subject="予約の変更"),
        ]

    @pytest.mark.parametrize(
        ("typed", "words", "found"),
        [
            ("one@shop.example", "the message id “one@shop.example”", [0]),
            (" <one@shop.example> ", "the message id “<one@shop.example>”", [0]),
            ("Taro <TARO@example.jp>", "the address “Taro <TARO@example.jp>”", [0]),
            ("order-1", "the API data “order-1”", [0]),
            ("@example.jp", "the domain “@example.jp”", [0]),
            ("Other.Example", "the domain “Other.Example”", [1]),
            ("@nowhere.example", "the domain “@nowhere.example”", []),
            ("nobody@example.jp", "a message id, an address, a domain and API data", []),
            ("変更", "the word “変更” in the subjects of the past 31 days", []),
        ],
    )
    def test_is_told(self, browser, mails, typed, words, found):
        answer = browser.open_list("mail", q=typed)

        assert words in answer.context["meaning"].words
        assert list(answer.context["cl"].result_list) == [mails[number] for number in found]
        assert ("Nothing found" in answer.content.decode()) is not bool(found)

    @pytest.mark.parametrize(
        "days", [{"from": "2023-01-20", "to": "2023-02-19"}, {"since": "7-days"}], ids=str
    )
    def test_takes_a_part_of_a_subject_within_31_days(self, browser, mails, days):
        models.Mail.objects.update(created_at=timezone.now() if "since" in days else factories.START)

        answer = browser.open_list("mail", q="予約", **days)

        assert set(answer.context["cl"].result_list) == set(mails)
        assert "“予約” in the subjects" in answer.context["meaning"].words

    @pytest.mark.parametrize(
        "days", [{"from": "2023-01-19", "to": "2023-02-19"}, {"to": "2023-02-19"}], ids=str
    )
    def test_takes_none_for_longer(self, browser, mails, days):
        assert browser.listed("mail", q="予約", **days) == []

    @pytest.mark.parametrize("name", ["mail", "deliveryevent", "bounceevent"])
    @pytest.mark.parametrize("typed", ["nobody@example.jp", "nothing", "taro@example.jp", "@example.jp"])
    def test_costs_at_most_12_statements(self, mails, name, typed):
        viewer = browser_of(f"view_{name}", "export_csv", is_staff=True)
        viewer.open_list(name)

        asked = statements(lambda: viewer.open_list(name, q=typed))
        # A limit of time has statements of its own on PostgreSQL, which cost next to nothing.
        assert len([sql for sql in asked if "SAVEPOINT" not in sql and "statement_timeout" not in sql]) <= 12
