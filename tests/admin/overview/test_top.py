from __future__ import annotations

import pytest
from django.urls import reverse

from cmc_webhooks.monitoring import refusals
from tests.admin.conftest import browser_of, statements
from tests.conftest import delivery
from tests.helpers import factories

pytestmark = pytest.mark.django_db

URL = "/admin/cmc_webhooks/mail/overview/"


def open_index(browser):
    return browser.get(reverse("admin:app_list", args=["cmc_webhooks"]))


class TestSummary:
    def test_begins_the_apps_index(self, browser, open_hook):
        open_hook.send("deliveries", delivery(status="failed"), api_key=None)
        factories.AlertFactory(answer="550 5.7.1 blocked")

        page = open_index(browser).content.decode()

        assert "docomo.ne.jp refused 140 of 167 mails in the past 24 hours" in page
        assert "Commonest answer: 550 5.7.1 blocked" in page
        assert "Past 7 days" in page
        assert "compared with the 7 days before" in page
        assert (
            page.index("docomo.ne.jp")
            < page.index("Past 7 days")
            < page.index('class="app-cmc_webhooks module')
        )

    def test_has_the_green_line_on_a_quiet_day(self, browser):
        assert '<p class="cmc-well">All is well.' in open_index(browser).content.decode()

    def test_leads_to_the_parts_of_the_overview(self, browser, hook):
        for _ in range(5):
            hook.send("deliveries", delivery(), api_key="another-key-than-ours")
        refusals.flush()

        assert f'href="{URL}#cmc-intake"' in open_index(browser).content.decode()

    @pytest.mark.parametrize(
        ("permission", "sees"),
        [
            ("view_mail", ["Past 7 days"]),
            ("view_alert", ["docomo.ne.jp"]),
            ("view_notification", ["All is well."]),
            ("view_suppression", []),
        ],
    )
    def test_shows_what_the_user_may_see(self, permission, sees):
        factories.AlertFactory()

        page = open_index(browser_of(permission, is_staff=True)).content.decode()

        found = [text for text in ("docomo.ne.jp", "All is well.", "Past 7 days") if text in page]
        assert found == sees

    def test_costs_a_bounded_number_of_statements(self, browser, open_hook):
        few = len(statements(lambda: open_index(browser)))
        open_hook.send(
            "deliveries", *(delivery(f"<{n}@x>", to=f"a@d{n}.example") for n in range(30)), api_key=None
        )
        for number in range(3):
            factories.AlertFactory(domain=f"d{number}.example")

        assert len(statements(lambda: open_index(browser))) == few <= 12
