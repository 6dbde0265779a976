"""D47, D49: a period has as many days as its name says, and days in the wrong order are a mistake."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

import pytest
from django.utils import timezone, translation

from cmc_webhooks import models, timezones
from cmc_webhooks.admin import filters
from cmc_webhooks.admin.overview import periods
from cmc_webhooks.statistics import recount
from tests.admin.conftest import browser_of
from tests.helpers import factories

pytestmark = pytest.mark.django_db

TODAY = date(2026, 11, 29)
PERIODS = {
    "today": (TODAY, TODAY),
    "7-days": (date(2026, 11, 23), TODAY),
    "30-days": (date(2026, 10, 31), TODAY),
    "last-month": (date(2026, 10, 1), date(2026, 10, 31)),
    "365-days": (date(2025, 11, 30), TODAY),
}
REVERSED = {"en": "The first day is after the last day.", "ja": "開始日が終了日より後になっています。"}
BACKWARDS = {"from": "2026-11-20", "to": "2026-11-01"}


@pytest.fixture
def browser():
    return browser_of(is_staff=True, is_superuser=True)


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(timezones, "today", lambda: TODAY)


def noon(day):
    return timezones.to_stored(timezone.make_aware(datetime.combine(day, time(12))))


@pytest.mark.usefixtures("clock")
class TestD47:
    @pytest.mark.parametrize("period", filters.PeriodFilter.periods)
    def test_has_the_days_of_its_name(self, period):
        assert filters.PeriodFilter.days_meant({"since": period}) == PERIODS[period]

    @pytest.mark.parametrize("period", PERIODS)
    def test_list_and_overview_count_the_same(self, browser, period):
        first, last = PERIODS[period]
        for day in {first - timedelta(days=1), first, last, last + timedelta(days=1)}:
            factories.MailFactory(created_at=noon(day))
        recount.recount("default", recount.days("default"))

        listed = browser.get("/admin/cmc_webhooks/mail/", {"since": period}).context["cl"].result_count
        shown = browser.get("/admin/cmc_webhooks/mail/overview/", {"since": period})

        assert listed == len({first, last})
        assert shown.context["outcomes"][0].number == listed
        assert len(periods.days_of(periods.chosen_scope({"since": period}).days)) == (last - first).days + 1

    @pytest.mark.parametrize("today", [date(2026, 1, 1), date(2026, 3, 31), date(2024, 3, 1)], ids=str)
    def test_last_month_is_that_of_the_calendar(self, monkeypatch, today):
        monkeypatch.setattr(timezones, "today", lambda: today)

        first, last = filters.PeriodFilter.days_meant({"since": "last-month"})

        assert (first.day, (last + timedelta(days=1)).day) == (1, 1)
        assert last < today.replace(day=1) == last + timedelta(days=1)


class TestD49:
    @pytest.mark.parametrize("language", REVERSED)
    @pytest.mark.parametrize(
        "page", ["mail/", "mail/overview/", "deliveryevent/", "bounceevent/", "notification/"]
    )
    def test_days_in_the_wrong_order_are_a_mistake(self, browser, language, page):
        mail = factories.MailFactory(created_at=noon(date(2026, 11, 10)))
        factories.DeliveryEventFactory(mail=mail)

        with translation.override(language):
            shown = browser.get(f"/admin/cmc_webhooks/{page}", BACKWARDS).content.decode()

        assert REVERSED[language] in shown
        assert "cmc-chart" not in shown
        assert not re.search(r'class="(cmc-figure|quiet)[^>]*>\s*(0|in all)', shown)
        assert "result_list" not in shown.partition("changelist-form")[2]

    @pytest.mark.parametrize(
        "days", [{"from": "2026-11-01", "to": "2026-11-01"}, {"from": "2026-11-01"}, {}], ids=str
    )
    def test_other_days_are_none(self, browser, days):
        for page in ("mail/", "mail/overview/"):
            assert REVERSED["en"] not in browser.get(f"/admin/cmc_webhooks/{page}", days).content.decode()

    def test_a_preset_and_other_days_may_miss_each_other(self, browser):
        factories.MailFactory()

        found = browser.get("/admin/cmc_webhooks/mail/", {"since": "today", "to": "2000-01-01"})

        assert found.context["cl"].result_count == 0
        assert models.Mail.objects.count() == 1
