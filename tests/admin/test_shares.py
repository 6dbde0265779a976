"""The line above a search's result: how many mails, and what became of them, each part with its list."""

from __future__ import annotations

import pytest
from django.utils import translation

from cmc_webhooks.admin import shares
from cmc_webhooks.statistics import recount
from tests.admin.conftest import statements
from tests.helpers import factories

pytestmark = pytest.mark.django_db


def mails(*statuses, api_data="summer"):
    for status in statuses:
        bounced = {"bounce_code": "2"} if status == "bounced" else {"status": status}
        factories.MailFactory(api_data=api_data, **bounced)


def shown(browser, **asked):
    found = browser.open_list("mail", **asked).context["cl"].found
    return found.number, [share.text for share in found.shares]


class TestShares:
    def test_say_what_became_of_what_was_found(self, browser):
        mails(*["succeeded"] * 7, *["bounced"] * 2, "queued")
        mails("failed", api_data="winter")

        assert shown(browser, q="summer") == ("10", ["70 % succeeded", "20 % bounced", "10 % queued"])

    def test_follow_the_filters(self, browser):
        mails("succeeded", "bounced", "bounced")

        assert shown(browser, q="summer", status="bounced") == ("2", ["100 % bounced"])

    def test_each_leads_to_its_mails(self, browser):
        mails(*["succeeded"] * 3, "bounced", "expired")
        recount.recount("default", recount.days("default"))  # names the other statuses

        for share in browser.open_list("mail", q="summer").context["cl"].found.shares:
            listed = browser.get(f"/admin/cmc_webhooks/mail/{share.url}").context["cl"]
            assert listed.result_count == {"succeeded": 3}.get(share.text.split(" % ")[1], 1)
            assert listed.query == "summer"

    def test_statuses_of_nobody_are_one_part(self, browser):
        mails("expired", "lost", "succeeded", "succeeded")

        assert shown(browser, q="summer") == ("4", ["50 % succeeded", "50 % other"])

    def test_a_small_share_is_not_nothing(self, browser):
        mails(*["succeeded"] * 200, "failed")

        assert shown(browser, q="summer") == ("201", ["100 % succeeded", "< 1 % failed"])

    def test_beyond_the_limit_there_are_none(self, browser, monkeypatch):
        monkeypatch.setattr(shares, "MOST_MAILS", 3)
        mails(*["succeeded"] * 4)

        assert shown(browser, q="summer") == ("3+", [])

    @pytest.mark.parametrize(("language", "text"), [("en", "2 mails:"), ("ja", "2 通：")])
    def test_stand_on_the_page(self, browser, language, text):
        mails("succeeded", "bounced")

        with translation.override(language):
            assert text in browser.open_list("mail", q="summer").content.decode()

    def test_cost_one_statement_in_place_of_the_count(self, browser):
        mails("succeeded", "bounced")

        asked = statements(lambda: browser.open_list("mail", q="summer"))

        assert len([sql for sql in asked if "COUNT(" in sql]) == 1

    def test_nothing_found_has_none(self, browser):
        shown = browser.open_list("mail", q="nothing at all").context["cl"]

        assert (shown.found, shown.total) == (None, "0")
