from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from cmc_webhooks import models
from tests.admin.conftest import browser_of
from tests.helpers import factories

pytestmark = pytest.mark.django_db


def acknowledge(browser, *alerts, confirmed=True):
    data = {"action": "acknowledge", "_selected_action": [str(alert.pk) for alert in alerts]}
    if confirmed:
        data["confirmed"] = "yes"
    return browser.post(reverse("admin:cmc_webhooks_alert_changelist"), data, follow=True)


class TestList:
    def test_says_what_is_wrong(self, browser):
        factories.AlertFactory()

        page = browser.open_list("alert").content.decode()

        assert "docomo.ne.jp refused 140 of 167 mails in the past 24 hours (usual: 2 %)." in page

    def test_is_filtered_by_state_and_kind(self, browser):
        opened = factories.AlertFactory()
        resolved = factories.AlertFactory(resolved_at=opened.raised_at)
        dead = factories.AlertFactory(kind="dead", text="12 signals are dead.")

        assert browser.listed("alert", state="open") == [dead, opened]
        assert browser.listed("alert", state="resolved") == [resolved]
        assert browser.listed("alert", kind="dead") == [dead]

    def test_page_lists_the_messages(self, browser):
        alert = factories.AlertFactory()
        models.AlertMessage.objects.create(
            id=alert.pk,
            alert=alert,
            event="raised",
            channel="slack",
            created_at=alert.raised_at,
            last_error="HTTP 403",
        )

        assert "Slack: raised: not sent HTTP 403" in browser.open_page(alert).content.decode()


class TestAcknowledge:
    def test_asks_first(self, browser):
        alert = factories.AlertFactory()

        page = acknowledge(browser, alert, confirmed=False).content.decode()

        alert.refresh_from_db()
        assert "Acknowledge 1 alert?" in page
        assert alert.acknowledged_at is None

    def test_is_recorded_with_the_person(self, browser):
        alerts = [factories.AlertFactory() for _ in range(2)]

        page = acknowledge(browser, *alerts).content.decode()

        user = browser.session["_auth_user_id"]
        assert "2 alerts acknowledged." in page
        assert set(models.Alert.objects.values_list("acknowledged_by", flat=True)) == {user}
        trail = models.Trail.objects.get()
        assert (trail.what, trail.via, trail.who, trail.rows) == ("acknowledged", "admin", user, 2)
        assert LogEntry.objects.count() == 2
        assert models.Alert.objects.filter(resolved_at=None).count() == 2

    def test_needs_its_permission(self):
        alert = factories.AlertFactory()

        acknowledge(browser_of("view_alert", is_staff=True), alert)
        alert.refresh_from_db()
        before = alert.acknowledged_at
        acknowledge(browser_of("view_alert", "acknowledge_alert", is_staff=True), alert)
        alert.refresh_from_db()

        assert before is None
        assert alert.acknowledged_at is not None
