from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cmc_webhooks import wire
from cmc_webhooks.admin import MailAdmin
from tests import factories
from tests.admin.conftest import FACTORIES, NAMES, statements

pytestmark = pytest.mark.django_db


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
            {"_facets": "1"},
            {"_popup": "1"},
            {"_to_field": "reason"},
            {"since": "9" * 5000},
        ],
        ids=str,
    )
    def test_never_break_a_list(self, browser, name, parameters):
        FACTORIES[name]()

        assert browser.open_list(name, **parameters).status_code in (200, 302, 400)

    @pytest.mark.parametrize("lookup", ["reason__contains", "created_at__gte", "mail__address", "utm_source"])
    def test_filter_by_nothing_but_the_filters(self, browser, lookup):
        assert browser.open_list("mail", **{lookup: "x"}).status_code == 400

    def test_change_no_page_number_into_an_error(self, browser, monkeypatch):
        monkeypatch.setattr(MailAdmin, "list_per_page", 2)
        oldest, *_ = factories.MailFactory.create_batch(3)

        assert browser.listed("mail", p="2") == [oldest]
        for page in ("0", "-1", "3", "9" * 30, "9" * 5000, "\0"):
            assert browser.open_list("mail", p=page).status_code in (200, 302)


class TestWithoutTimeZones:
    @pytest.mark.parametrize("name", NAMES)
    def test_lists_and_pages_show_times_as_stored(self, browser, settings, monkeypatch, name):
        settings.USE_TZ = False
        monkeypatch.setattr(factories, "START", factories.START.replace(tzinfo=None))
        row = FACTORIES[name](number=0)

        for answer in (browser.open_list(name), browser.open_page(row)):
            assert answer.status_code == 200
            assert "2023-01-25 05:00:00" in answer.content.decode()

    @pytest.mark.parametrize("name", ["mail", "deliveryevent", "bounceevent", "notification"])
    def test_filters_know_today(self, browser, settings, monkeypatch, name):
        settings.USE_TZ = False
        monkeypatch.setattr(factories, "START", datetime.now())  # noqa: DTZ005 - as Django does without zones
        row = FACTORIES[name]()

        assert browser.listed(name, since="today") == [row]


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
        factories.PendingSignalFactory(items=[[], [], []], last_error="ValueError")

        page = browser.open_list("pendingsignal").content.decode()

        assert 'class="field-calls">3<' in page
        assert "ValueError" in page
