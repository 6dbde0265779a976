from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from cmc_webhooks import models
from cmc_webhooks.bounce_codes import BOUNCE_CODES, BounceClass, bounce_class
from cmc_webhooks.statistics import recount
from tests.helpers import factories

pytestmark = pytest.mark.django_db


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
        assert browser.listed("mail", status="other") == []  # none is counted
        recount.recount("default", recount.days("default"))

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

    def test_offers_each_server_composition_once(self, browser, mails):
        factories.MailFactory(server_composition="")
        recount.recount("default", recount.days("default"))

        page = browser.open_list("mail").content.decode()

        for choice in ("?server_composition=pro", "?server_composition=sandbox", "?server_composition="):
            assert page.count(f'href="{choice}"') == 1
        assert "(none)" in page

    def test_offers_a_server_composition_with_one_old_mail_and_none_without_mails(self, browser):
        """D10: the latest 1,000 mails do not name every composition."""
        factories.MailFactory(server_composition="rare", created_at=timezone.now() - timedelta(days=400))
        factories.MailFactory.create_batch(1001)
        recount.recount("default", recount.days("default"))
        gone = models.MailCount.objects.filter(server_composition="pro").first()
        models.MailCount.objects.create(
            id=uuid4(),
            day=gone.day,
            server_composition="gone",
            status="queued",
            shard=0,
            number=0,
            changed_at=gone.changed_at,
        )

        page = browser.open_list("mail").content.decode()

        assert page.count('href="?server_composition=rare"') == 1
        assert "server_composition=gone" not in page

    def test_by_a_server_composition_that_is_not_recent(self, browser, mails):
        assert browser.listed("mail", server_composition="none\0") == []

    def test_by_a_word_of_a_delivery_that_looks_like_a_bounce(self, browser):
        factories.MailFactory(delivery_status="bounced")

        assert browser.listed("mail", bounce_class="unknown") == []
        assert len(browser.listed("mail", status="bounced")) == 1


class TestUnknownValues:
    @pytest.mark.parametrize("name", ["status", "bounce_class", "since"])
    @pytest.mark.parametrize("value", ["", "x", "\0", "ｂounced"])
    def test_lead_back_to_the_list(self, browser, name, value):
        answer = browser.open_list("mail", **{name: value})

        assert answer.status_code == 302
        assert answer.headers["Location"].endswith("?e=1")


class TestOtherFilters:
    def test_of_deliveries(self, browser):
        old = factories.DeliveryEventFactory(status="deferred")
        new = factories.DeliveryEventFactory(status="expired", occurred_at=timezone.now())

        assert browser.listed("deliveryevent", status="deferred", to="2023-01-31") == [old]
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
        new = factories.NotificationFactory(event_type="opens", received_at=timezone.now(), source="rest")

        assert browser.listed("notification", event_type="bounces") == [old]
        assert browser.listed("notification", event_type="other") == [new]
        assert browser.listed("notification", since="today") == [new]
        assert browser.listed("notification", source="webhook") == [old]
        assert browser.listed("notification", source="rest") == [new]

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
