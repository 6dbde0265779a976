from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from cmc_webhooks import models
from tests.admin.conftest import FACTORIES, HISTORY, NAMES, browser_of
from tests.conftest import CASES, bounce, delivery
from tests.helpers import factories

pytestmark = pytest.mark.django_db


def text_of(answer):
    """A page without its markup, blanks folded."""
    assert answer.status_code == 200
    body = answer.content.decode().partition('id="content"')[2]
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


@pytest.fixture
def refused(open_hook):
    """The refused mail of CMC's article: told as failed, then as a bounce."""
    reason = "550 5.1.1 The email account that you tried to reach does not exist."
    to = {"to": "no-user@example.jp", "reason": reason}
    open_hook.send("bounces", bounce(status="2", **to), api_key=None)
    failed = delivery(status="failed", created="2023-01-25 14:06:06", senderIp="100.100.100.3", **to)
    open_hook.send("deliveries", failed, api_key=None)
    return models.Mail.objects.get()


class TestMailPage:
    def test_tells_what_became_of_a_refused_mail(self, browser, refused, settings):
        settings.TIME_ZONE = "Asia/Tokyo"

        text = text_of(browser.open_page(refused))

        assert "bounced code 2 No such mailbox" in text
        assert "Invalid address (hard)" in text
        assert "The recipient&#x27;s server refused the mail." in text
        assert text.count("550 5.1.1 The email account") == 1

    def test_has_all_events_in_order(self, browser, refused, settings):
        settings.TIME_ZONE = "Asia/Tokyo"

        text = text_of(browser.open_page(refused)).partition("Timeline")[2]

        order = [
            text.index(part)
            for part in ("14:06:06", "failed", "100.100.100.3", "14:06:07", "bounced", "no such mailbox")
        ]
        assert order == sorted(order)

    def test_links_to_each_event_and_notification(self, browser, refused):
        page = browser.open_page(refused).content.decode()

        for model in (models.DeliveryEvent, models.BounceEvent):
            event = model.objects.get()
            for target in (event, models.Notification.objects.get(pk=event.notification_id)):
                name = target._meta.model_name
                assert f'href="{reverse(f"admin:cmc_webhooks_{name}_change", args=[target.pk])}"' in page

    def test_links_only_to_what_may_be_opened(self, refused):
        page = browser_of("view_mail", is_staff=True).open_page(refused).content.decode()

        assert "/bounceevent/" not in page
        assert "/notification/" not in page

    def test_links_to_no_page_that_the_admin_lacks(self, browser, refused, monkeypatch):
        monkeypatch.delitem(admin.site._registry, models.BounceEvent)

        page = browser.open_page(refused).content.decode()

        assert "/bounceevent/" not in page
        assert "/deliveryevent/" in page

    def test_says_nothing_twice(self, browser):
        mail = factories.MailFactory(delivery_status="expired")
        factories.DeliveryEventFactory(mail=mail, status="expired")

        head = text_of(browser.open_page(mail)).partition("Other recipients")[0]

        assert head.count("expired") == 2
        assert "Not documented by Customers Mail Cloud" in head

    def test_outlives_pruned_notifications_and_events(self, browser, refused):
        models.Notification.objects.all().delete()
        assert browser.open_page(refused).status_code == 200
        models.BounceEvent.objects.all().delete()
        models.DeliveryEvent.objects.all().delete()

        assert "The events of this mail have been deleted." in text_of(browser.open_page(refused))

    def test_costs_as_much_for_many_events_as_for_few(self, browser, refused):
        def cost():
            with CaptureQueriesContext(connection) as captured:
                browser.open_page(refused)
            return len(captured)

        cost()  # what Django remembers from now on
        few = cost()
        factories.DeliveryEventFactory.create_batch(30, mail=refused)

        assert cost() == few <= 12

    def test_shows_extras_as_text(self, browser):
        mail = factories.MailFactory(delivery_status="")
        factories.DeliveryEventFactory(
            mail=mail, extra={"campaign": {"id": "7"}, "to": "Other@x"}, source_ip="192.0.2.9"
        )

        text = text_of(browser.open_page(mail))

        assert "campaign {&quot;id&quot;: &quot;7&quot;}" in text
        assert "Other@x" in text
        assert "192.0.2.9" in text

    @pytest.mark.parametrize("status", ["queued", "deferred", "succeeded", "failed", "expired", ""])
    def test_opens_for_every_status(self, browser, status):
        mail = factories.MailFactory(delivery_status=status, status_at=None, erased_at=factories.START)

        assert browser.open_page(mail).status_code == 200

    def test_needs_no_script_of_its_own(self, browser, refused):
        page = browser.open_page(refused).content.decode().partition('id="content-main"')[2]

        assert not re.search(r"<script(?![^>]*\bsrc=)", page)
        assert not re.search(r"\son\w+=|\sstyle=|javascript:", page)
        assert not re.search(r"""(src|href)=["']https?:""", page)


class TestPages:
    @pytest.mark.parametrize("name", HISTORY)
    def test_open_and_show_no_field_to_change(self, browser, name):
        row = FACTORIES[name]()

        page = browser.open_page(row).content.decode().partition('id="content-main"')[2]

        assert not re.search(r"<(input(?![^>]*hidden)|select|textarea)", page)
        assert "None" not in page

    @pytest.mark.parametrize("name", NAMES)
    def test_lead_back_from_a_key_that_is_none(self, browser, name):
        answer = browser.get(reverse(f"admin:cmc_webhooks_{name}_change", args=["x"]))

        assert answer.status_code == 302

    @pytest.mark.parametrize("name", NAMES)
    def test_lead_back_from_any_key_of_no_row(self, browser, name):
        keys = [UUID(int=number << 64 | 0x8 << 76 | top << 56) for number in range(8) for top in range(256)]

        answers = [
            browser.get(reverse(f"admin:cmc_webhooks_{name}_change", args=[key])) for key in keys[::61]
        ]

        assert {answer.status_code for answer in answers} == {302}

    @pytest.mark.parametrize("name", ["deliveryevent", "bounceevent", "blockevent"])
    def test_of_events_say_when_their_notification_is_gone(self, browser, name):
        row = FACTORIES[name]()
        models.Notification.objects.all().delete()

        assert "deleted (retention)" in text_of(browser.open_page(row))

    def test_of_events_link_to_mail_and_notification(self, browser):
        event = factories.BounceEventFactory()
        page = browser.open_page(event).content.decode()

        assert reverse("admin:cmc_webhooks_mail_change", args=[event.mail_id]) in page
        assert reverse("admin:cmc_webhooks_notification_change", args=[event.notification_id]) in page

    def test_of_rejected_events_show_text_and_place(self, browser):
        row = factories.RejectedEventFactory(
            raw='{"to": ["<b>"]}', resolved_at=factories.START + timedelta(1)
        )

        text = text_of(browser.open_page(row))

        assert "event.deliveries[1]: to is not text" in text
        assert "{&quot;to&quot;: [&quot;&lt;b&gt;&quot;]}" in text
        assert "resolved" in text


class TestEscaping:
    """Case C52: markup in mail text is text, on every page."""

    def test_holds_on_every_page(self, browser, open_hook):
        open_hook.file(CASES / "C52.json")
        evil = {"bad": "<script>alert(9)</script>", "status": "<img src=x>", "sourceIp": "<img src=x>"}
        open_hook.send(
            "deliveries", delivery("<c52@x>", **evil), {**evil, "to": ["<script>alert(9)"]}, api_key=None
        )
        open_hook.send("blocks", {"email": "<script>alert(9)</script>", **evil}, api_key=None)
        factories.PendingSignalFactory(items=[["<script>alert(9)"]], last_error="<img src=x>")
        models.Notification.objects.update(server_composition="<script>alert(9)</script>")

        pages = [browser.open_list(name) for name in NAMES]
        pages += [
            browser.open_page(row) for name in NAMES for row in FACTORIES[name]._meta.model.objects.all()
        ]

        assert len(pages) > 12
        for page in pages:
            assert page.status_code == 200
            for raw in (b"<script>alert", b"<img src=x", b"<svg/onload", b"<b>x</b>"):
                assert raw not in page.content
