from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from cmc_webhooks.monitoring import refusals
from tests.admin.conftest import browser_of
from tests.conftest import delivery
from tests.helpers import factories

pytestmark = pytest.mark.django_db


def context_of(browser):
    return browser.get(reverse("admin:cmc_webhooks_mail_overview")).context


class TestLook:
    def test_says_the_commonest_reply_below_an_alert(self, browser):
        factories.AlertFactory(answer="550 5.7.1 blocked")

        answer = browser.get(reverse("admin:cmc_webhooks_mail_overview"))

        assert [line.reply for line in answer.context["unusual"]] == ["Commonest answer: 550 5.7.1 blocked"]
        assert "Commonest answer: 550 5.7.1 blocked" in answer.content.decode()

    def test_leads_from_a_silence_to_the_notifications(self, browser, settings):
        settings.CMC_WEBHOOKS_MAX_SILENCE = 60
        factories.NotificationFactory(received_at=datetime.now(UTC) - timedelta(hours=3))

        [line] = context_of(browser)["unusual"]

        assert line.url == "/admin/cmc_webhooks/notification/?source=webhook"

    def test_leads_from_refused_calls_to_their_reasons_on_the_page(self, browser, hook):
        for _ in range(5):
            hook.send("deliveries", delivery(), api_key="another-key-than-ours")
        refusals.flush()

        answer = browser.get(reverse("admin:cmc_webhooks_mail_overview"))

        [line] = answer.context["unusual"]
        assert line.url == "#cmc-intake"
        assert 'id="cmc-intake"' in answer.content.decode()

    def test_says_what_is_known_to_those_who_may_see_alerts_alone(self):
        viewer = browser_of("view_mail", "view_alert", is_staff=True)

        assert context_of(viewer)["verdict"] == "There is no open alert."

        factories.AlertFactory()
        context = context_of(viewer)
        assert len(context["unusual"]) == 1

    def test_names_no_domain_unusual_to_those_who_may_not_see_alerts(self):
        factories.AlertFactory(domain="docomo.ne.jp")

        mails_alone, with_alerts = (
            context_of(browser_of("view_mail", *more, is_staff=True))["heat_map"].rows
            for more in ((), ("view_alert",))
        )

        assert mails_alone == []
        assert [(row.domain, row.is_unusual) for row in with_alerts] == [("docomo.ne.jp", True)]
