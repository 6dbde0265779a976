from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cmc_webhooks import models, wire
from cmc_webhooks.status import BOUNCE_CODES, BounceClass, bounce_class
from tests import factories
from tests.admin.conftest import FACTORIES, NAMES

pytestmark = pytest.mark.django_db


def statements(work):
    with CaptureQueriesContext(connection) as captured:
        work()
    return [query["sql"] for query in captured.captured_queries]


class TestQueries:
    @pytest.mark.parametrize("name", NAMES)
    def test_are_as_many_for_100_rows_as_for_10(self, browser, name):
        browser.open_list(name)
        FACTORIES[name].create_batch(10)
        few = statements(lambda: browser.open_list(name))
        FACTORIES[name].create_batch(90)

        many = statements(lambda: browser.open_list(name))

        assert len(many) == len(few) <= 12
        assert sum("COUNT(" in sql for sql in many) <= 1

    def test_defer_what_a_list_does_not_show(self, browser):
        FACTORIES["rejectedevent"]()

        assert not any(
            '"raw"' in sql or "`raw`" in sql for sql in statements(lambda: browser.open_list("rejectedevent"))
        )


class TestOrder:
    def test_of_mails_is_by_their_first_receipt(self, browser):
        mails = factories.MailFactory.create_batch(3, created_at=factories.START)
        last = factories.MailFactory(created_at=factories.START + timedelta(days=1))

        expected = [last, *sorted(mails, key=lambda mail: mail.pk, reverse=True)]
        assert browser.listed("mail") == expected

    @pytest.mark.parametrize("name", ["deliveryevent", "bounceevent", "blockevent", "notification"])
    def test_of_events_is_newest_first(self, browser, name):
        rows = FACTORIES[name].create_batch(4)

        assert browser.listed(name) == rows[::-1]

    def test_cannot_be_chosen_by_the_browser(self, browser):
        factories.MailFactory.create_batch(3)

        assert browser.listed("mail", o="1") == browser.listed("mail")


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
        found = statements(lambda: browser.listed("mail", q=typed))

        assert not [sql for sql in found if "LIKE" in sql.upper().replace("UNLIKE", "")]

    def test_finds_blocks_by_address(self, browser):
        block = factories.BlockEventFactory(address="b@example.jp")
        factories.BlockEventFactory()

        assert browser.listed("blockevent", q="X <B@example.jp>") == [block]
        assert len(browser.listed("blockevent", q="  ")) == 2

    @pytest.mark.parametrize("name", ["mail", "deliveryevent", "bounceevent", "blockevent"])
    @pytest.mark.parametrize(
        "typed", ["\0", "a\0b@x", "<>", "'; --", "x" * 5000, "\ud800".encode("utf-16", "surrogatepass")]
    )
    def test_survives_any_text(self, browser, name, typed):
        FACTORIES[name]()

        assert browser.open_list(name, q=typed).status_code == 200


class TestMailFilters:
    @pytest.fixture
    def mails(self):
        words = ["queued", "deferred", "succeeded", "failed", "expired"]
        made = {word: factories.MailFactory(delivery_status=word) for word in words}
        made["bounced"] = factories.MailFactory(bounce_code="2", server_composition="sandbox")
        return made

    @pytest.mark.parametrize("word", ["queued", "deferred", "succeeded", "failed", "bounced"])
    def test_by_status(self, browser, mails, word):
        assert browser.listed("mail", status=word) == [mails[word]]

    def test_by_a_status_that_is_not_in_the_list(self, browser, mails):
        assert browser.listed("mail", status="other") == [mails["expired"]]

    @pytest.mark.parametrize("kind", BounceClass.values)
    def test_by_bounce_class(self, browser, mails, kind):
        for code in [*BOUNCE_CODES, "new"]:
            factories.MailFactory(bounce_code=code)

        found = browser.listed("mail", bounce_class=kind)

        assert {bounce_class(mail.bounce_code) for mail in found} == {kind}
        assert len(found) == models.Mail.objects.exclude(bounce_code="").count() - len(
            [mail for mail in models.Mail.objects.exclude(bounce_code="") if mail.bounce_class != kind]
        )

    def test_by_server_composition(self, browser, mails):
        assert browser.listed("mail", server_composition="sandbox") == [mails["bounced"]]

    @pytest.mark.parametrize(
        ("period", "found"), [("today", 1), ("7-days", 2), ("30-days", 3), ("365-days", 4)]
    )
    def test_by_date(self, browser, period, found):
        for days in (0, 6, 29, 300, 500):
            factories.MailFactory(created_at=timezone.now() - timedelta(days=days))

        assert len(browser.listed("mail", since=period)) == found


class TestOtherFilters:
    def test_of_deliveries(self, browser):
        old = factories.DeliveryEventFactory(status="deferred")
        new = factories.DeliveryEventFactory(status="expired", occurred_at=timezone.now())

        assert browser.listed("deliveryevent", status="deferred") == [old]
        assert browser.listed("deliveryevent", status="other") == [new]
        assert browser.listed("deliveryevent", since="7-days") == [new]

    def test_of_bounces_and_blocks(self, browser):
        hard, unknown = (factories.BounceEventFactory(bounce_code=code) for code in ("2", "77"))
        block = factories.BlockEventFactory(bounce_code="5")

        assert browser.listed("bounceevent", bounce_class="hard") == [hard]
        assert browser.listed("bounceevent", bounce_class="unknown") == [unknown]
        assert browser.listed("blockevent", bounce_class="soft") == [block]

    def test_of_notifications(self, browser):
        old = factories.NotificationFactory(event_type="bounces")
        new = factories.NotificationFactory(event_type="opens", received_at=timezone.now())

        assert browser.listed("notification", event_type="bounces") == [old]
        assert browser.listed("notification", event_type="other") == [new]
        assert browser.listed("notification", since="today") == [new]

    def test_of_rejected_events(self, browser):
        waiting = factories.RejectedEventFactory()
        resolved = factories.RejectedEventFactory(resolved_at=factories.START)

        assert browser.listed("rejectedevent", state="open") == [waiting]
        assert browser.listed("rejectedevent", state="resolved") == [resolved]

    def test_of_pending_signals(self, browser):
        pending = factories.PendingSignalFactory()
        dead = factories.PendingSignalFactory(state="dead")

        assert browser.listed("pendingsignal", state="pending") == [pending]
        assert browser.listed("pendingsignal", state="dead") == [dead]


class TestOddParameters:
    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize(
        "parameters",
        [
            {"status": "\0"},
            {"bounce_class": "x"},
            {"since": "yesterday"},
            {"server_composition": "\0"},
            {"state": "x"},
            {"event_type": "\0"},
            {"p": "x"},
            {"p": "99999999999999999999"},
            {"reason__contains": "x"},
            {"mail__address": "x"},
            {"o": "99"},
            {"e": "1"},
            {"all": ""},
        ],
        ids=str,
    )
    def test_never_break_a_list(self, browser, name, parameters):
        FACTORIES[name]()

        assert browser.open_list(name, **parameters).status_code in (200, 302, 400)


class TestColumns:
    def test_tell_a_mail_in_words(self, browser):
        factories.MailFactory(bounce_code="2", reason="550 5.1.1 user unknown", subject="お知らせ")

        page = browser.open_list("mail").content.decode()

        for text in (
            "bounced",
            "unknown user",
            "hard: the address does not exist",
            "お知らせ",
            "cmc-returned",
        ):
            assert text in page

    def test_show_unknown_words_as_sent(self, browser):
        factories.MailFactory(delivery_status="expired")
        factories.MailFactory(bounce_code="77")

        page = browser.open_list("mail").content.decode()

        assert ">expired<" in page
        assert ">77<" in page

    def test_show_times_in_the_active_zone(self, browser, settings):
        settings.TIME_ZONE = "Asia/Tokyo"
        factories.MailFactory(status_at=factories.START)

        assert "2023-01-25 14:00:00" in browser.open_list("mail").content.decode()

    def test_show_times_at_the_end_of_the_calendar(self, browser, settings):
        settings.TIME_ZONE = "Pacific/Kiritimati"
        end = datetime(9999, 12, 29, 23, 59, 59, tzinfo=UTC)
        factories.MailFactory(status_at=end, created_at=end, id=wire.time_key(1))
        factories.PendingSignalFactory(available_at=2**62)

        assert browser.open_list("mail").status_code == 200
        assert str(2**62) in browser.open_list("pendingsignal").content.decode()

    def test_count_the_signals_of_a_row(self, browser):
        factories.PendingSignalFactory(items=[{}, {}, {}], last_error="ValueError")

        page = browser.open_list("pendingsignal").content.decode()

        assert 'class="field-calls">3<' in page
        assert "ValueError" in page
