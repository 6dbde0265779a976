from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.staticfiles import finders
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from cmc_webhooks import wire
from cmc_webhooks.admin import changelist, shares
from cmc_webhooks.admin.base import ReadOnlyAdmin
from tests.admin.conftest import FACTORIES, NAMES, statements
from tests.conftest import bounce, delivery
from tests.helpers import factories

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

    def test_change_no_page_number_into_an_error(self, browser):
        for page in ("0", "-1", "3", "9" * 30, "9" * 5000, "\0"):
            assert browser.open_list("mail", p=page).status_code in (200, 302)


class TestWithoutTimeZones:
    @pytest.mark.parametrize("name", NAMES)
    def test_lists_and_pages_show_times_as_stored(self, browser, settings, monkeypatch, name):
        settings.USE_TZ = False
        monkeypatch.setattr("cmc_webhooks.testing.factories.START", factories.START.replace(tzinfo=None))
        row = FACTORIES[name](number=0)

        for answer in (browser.open_list(name), browser.open_page(row)):
            assert answer.status_code == 200
            assert "2023-01-25 05:00:00" in answer.content.decode()

    @pytest.mark.parametrize("name", ["mail", "deliveryevent", "bounceevent", "notification"])
    def test_filters_know_today(self, browser, settings, monkeypatch, name):
        settings.USE_TZ = False
        now = datetime.now()  # noqa: DTZ005 - as Django does without zones
        monkeypatch.setattr("cmc_webhooks.testing.factories.START", now)
        row = FACTORIES[name](number=0)  # later ones may be tomorrow's

        assert browser.listed(name, since="today") == [row]


class TestColumns:
    def test_tell_a_mail_in_words(self, browser):
        factories.MailFactory(bounce_code="2", reason="550 5.1.1 user unknown", subject="お知らせ")

        page = browser.open_list("mail").content.decode()

        for text in (
            "bounced",
            "no such mailbox",
            "invalid address (hard)",
            "お知らせ",
            "cmc-returned",
        ):
            assert text in page

    def test_show_unknown_words_as_sent(self, browser):
        factories.MailFactory(delivery_status="expired")
        factories.MailFactory(bounce_code="77")

        page = browser.open_list("mail").content.decode()

        assert ">expired<" in page
        assert ">code 77, which CMC does not document<" in page

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

        assert "number of signals </span>3<" in page
        assert "ValueError" in page


class TestPages:
    @pytest.fixture
    def two_a_page(self, monkeypatch):
        monkeypatch.setattr(admin.ModelAdmin, "list_per_page", 2)

    def follow(self, browser, name, way, answer):
        query = getattr(answer.context["cl"], f"{way}_query")
        return browser.get(reverse(f"admin:cmc_webhooks_{name}_changelist") + query) if query else None

    @pytest.mark.parametrize("name", NAMES)
    def test_lead_through_all_rows_and_back(self, browser, two_a_page, name):
        for _ in range(5):
            FACTORIES[name]()
        pages = [browser.open_list(name)]
        while answer := self.follow(browser, name, "next", pages[-1]):
            pages.append(answer)
        rows = [[row.pk for row in page.context["cl"].result_list] for page in pages]

        back = self.follow(browser, name, "previous", pages[2])
        first = self.follow(browser, name, "first", pages[2])

        assert [len(keys) for keys in rows] == [2, 2, 1]
        assert len({key for keys in rows for key in keys}) == 5
        assert [row.pk for row in back.context["cl"].result_list] == rows[1]
        assert [row.pk for row in first.context["cl"].result_list] == rows[0]

    def test_stay_where_they_are_while_rows_arrive(self, browser, two_a_page):
        mails = factories.MailFactory.create_batch(4)
        first = browser.open_list("mail")
        factories.MailFactory.create_batch(3)

        second = self.follow(browser, "mail", "next", first)

        assert list(second.context["cl"].result_list) == [mails[1], mails[0]]

    @pytest.mark.parametrize("cursor", ["x", "é", "cHJldmlvdXM=", "bmV4dCx4LHg=", "\0", "A" * 5000])
    def test_lead_back_from_a_cursor_that_is_none(self, browser, cursor):
        assert browser.open_list("mail", cursor=cursor).status_code == 302

    def test_keep_the_filters(self, browser, two_a_page):
        for _ in range(3):
            factories.MailFactory(delivery_status="failed")

        answer = browser.open_list("mail", status="failed")

        assert "status=failed" in answer.context["cl"].next_query
        assert len(self.follow(browser, "mail", "next", answer).context["cl"].result_list) == 1


class TestTotal:
    @pytest.fixture
    def mails(self, open_hook):
        open_hook.send("deliveries", *(delivery(f"<{n}@x>") for n in range(3)), api_key=None)
        open_hook.send("deliveries", *(delivery(f"<{n}@x>", status="odd") for n in range(3, 5)), api_key=None)
        open_hook.send("bounces", bounce("<1@x>"), bounce("<2@x>", status="5"), api_key=None)

    @pytest.mark.parametrize(
        ("filters", "total"),
        [
            ({}, "5"),
            ({"status": "queued"}, "1"),
            ({"status": "other"}, "2"),
            ({"status": "bounced"}, "2"),
            ({"bounce_class": "soft"}, "1"),
            ({"since": "today"}, "5"),
            ({"to": "2020-01-01"}, "0"),
            ({"from": "2020-01-01", "to": "2999-01-01"}, "5"),
            ({"server_composition": "pro"}, "5"),
            ({"server_composition": "none"}, "0"),
            ({"q": "user@example.jp"}, "5"),
            ({"q": "nobody@example.jp"}, "0"),
        ],
        ids=str,
    )
    def test_is_that_of_the_rows_without_counting_them(self, browser, mails, filters, total):
        answer = browser.open_list("mail", **filters)

        assert answer.context["cl"].total == total
        assert len(answer.context["cl"].result_list) == int(total)

    def test_costs_no_count_of_the_table(self, browser, mails):
        sent = statements(lambda: browser.open_list("mail", status="bounced"))

        assert [sql for sql in sent if "COUNT(" in sql] == []

    def test_is_capped_for_what_is_searched(self, browser, mails, monkeypatch):
        monkeypatch.setattr(changelist, "MOST_COUNTED", 3)
        monkeypatch.setattr(shares, "MOST_MAILS", 3)

        assert browser.open_list("mail", q="user@example.jp").context["cl"].total == "3+"
        assert browser.open_list("deliveryevent", q="user@example.jp").context["cl"].total == "3+"


class TestReach:
    """A status of events has no index: it is looked for within 31 days."""

    @pytest.fixture
    def events(self):
        now = timezone.now()
        return [
            factories.DeliveryEventFactory(status="failed", occurred_at=now - timedelta(days=days))
            for days in (400, 40, 35)
        ]

    def test_of_a_filter_is_the_latest_31_days(self, browser, events):
        answer = browser.open_list("deliveryevent", status="failed")

        assert list(answer.context["cl"].result_list) == [events[2], events[1]]
        assert "31 days" in answer.content.decode()

    def test_of_a_longer_range_is_its_end(self, browser, events):
        to = (timezone.now() - timedelta(days=390)).date().isoformat()

        found = browser.listed("deliveryevent", status="failed", **{"from": "2000-01-01", "to": to})

        assert found == [events[0]]

    def test_is_not_bounded_without_a_filter_or_with_a_search(self, browser, events):
        assert len(browser.listed("deliveryevent")) == 3
        found = browser.listed("deliveryevent", status="failed", q=events[0].mail.address)
        assert found == [events[0]]

    def test_leaves_clocks_far_ahead_out(self, browser, events):
        factories.DeliveryEventFactory(status="failed", occurred_at=timezone.now() + timedelta(days=300))

        assert browser.listed("deliveryevent", status="failed") == [events[2], events[1]]


class TestMedia:
    def test_names_files_that_exist(self):
        media = [str(admin_of.media) for admin_of in admin.site._registry.values()]
        named = set(re.findall(r"cmc_webhooks/[\w./]+", " ".join(media)))

        names = ("admin", "lists", "overview", "themes")
        assert {f"cmc_webhooks/{name}.css" for name in names} <= named
        assert [path for path in sorted(named) if finders.find(path) is None] == []

    def test_has_a_value_for_each_variable_that_a_theme_may_lack(self):
        """Django's look defines these variables, others do not. `--cmc-` ones are our own."""
        [folder] = {Path(finders.find(f"cmc_webhooks/{name}")).parent for name in ("admin.css", "lists.css")}
        sheets = sorted(folder.glob("*.css"))

        lacking = {sheet.name: re.findall(r"var\(--(?!cmc-)[\w-]+\)", sheet.read_text()) for sheet in sheets}

        assert {name: found for name, found in lacking.items() if found} == {}


class TestEmptyLists:
    @pytest.mark.parametrize("name", NAMES)
    def test_say_what_would_be_in_them(self, browser, name):
        page = browser.open_list(name).content.decode()

        text = str(admin.site.get_model_admin(apps.get_model("cmc_webhooks", name)).nothing)
        assert text != str(ReadOnlyAdmin.nothing)
        assert f'<p class="cmc-none">{escape(text)}</p>' in page

    def test_say_that_nothing_matches(self, browser):
        factories.MailFactory()

        for asked in ({"status": "failed"}, {"q": "nobody@example.jp"}):
            assert (
                '<p class="cmc-none">Nothing matches.</p>'
                in browser.open_list("mail", **asked).content.decode()
            )
