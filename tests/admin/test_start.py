"""What the app's index, and a site's own index, begins with."""

from __future__ import annotations

import pytest
from django.template import Context, Template
from django.test import RequestFactory
from django.urls import reverse

from tests.admin.conftest import browser_of
from tests.helpers import factories

pytestmark = pytest.mark.django_db


def index_of(browser):
    return browser.get(reverse("admin:app_list", args=["cmc_webhooks"])).content.decode()


class TestAppIndex:
    def test_begins_with_search_health_and_the_overview(self, browser):
        page = index_of(browser).partition('class="cmc-start"')[2]

        places = [
            page.index(part)
            for part in (
                f'action="{reverse("admin:cmc_webhooks_mail_changelist")}"',
                'name="q"',
                'class="cmc-well"',
                f'href="{reverse("admin:cmc_webhooks_mail_overview")}"',
                f'href="{reverse("admin:cmc_webhooks_mail_changelist")}"',
                f'href="{reverse("admin:cmc_webhooks_alert_changelist")}"',
            )
        ]
        assert places == sorted(places)

    def test_says_what_is_wrong_with_a_link(self, browser):
        factories.PendingSignalFactory(items=[[]], state="dead")

        page = index_of(browser).partition('class="cmc-start"')[2].partition("</section>")[0]

        assert "1 signal is dead." in page
        assert reverse("admin:cmc_webhooks_pendingsignal_changelist") in page
        assert "cmc-well" not in page

    def test_shows_what_the_user_may_see(self):
        page = index_of(browser_of("view_suppression", is_staff=True))

        start = page.partition('class="cmc-start"')[2].partition("</section>")[0]
        assert reverse("admin:cmc_webhooks_suppression_suppressed") in start
        for hidden in ('name="q"', "/overview/", "cmc-well", "errornote"):
            assert hidden not in start

    def test_is_left_out_for_those_who_see_none_of_it(self):
        assert "cmc-start" not in index_of(browser_of("view_trail", is_staff=True))


class TestTag:
    SOURCE = "{% load cmc_webhooks_admin %}{% cmc_webhooks_start %}"

    def test_shows_nothing_outside_an_admin_site(self):
        assert Template(self.SOURCE).render(Context({"request": RequestFactory().get("/")})).strip() == ""
        assert Template(self.SOURCE).render(Context()).strip() == ""
