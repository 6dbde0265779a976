"""How to test receivers: post to the webhook what CMC would, and look at what the project made of it."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import UTC, datetime

import pytest
from django.test import TestCase

from cmc_webhooks import signals, testing
from cmc_webhooks.models import Mail
from cmc_webhooks.testing import samples
from cmc_webhooks.testing.factories import MailFactory
from example_project.shop import month, receivers
from example_project.shop.models import Order


@pytest.fixture
def order(db):
    return Order.objects.create(number="CMC00123")


class TestNoteMailStatus:
    @pytest.mark.parametrize(
        ("story", "status"),
        [(samples.DELIVERED, "succeeded"), (samples.REFUSED, "bounced"), (samples.DEFERRED, "deferred")],
        ids=["delivered", "refused", "deferred"],
    )
    def test_tells_the_order(self, cmc_webhook, order, story, status):
        cmc_webhook.play(story, api_data="CMC00123")

        order.refresh_from_db()
        assert order.mail_status == status

    def test_leaves_other_orders_alone(self, cmc_webhook, order):
        cmc_webhook.post("deliveries", testing.delivery(api_data="CMC00999"))

        order.refresh_from_db()
        assert order.mail_status == ""

    def test_does_not_let_a_late_retry_win(self, order):
        mail = MailFactory(api_data="CMC00123")

        receivers.note_mail_status(mail=mail, new="bounced", version=2)
        receivers.note_mail_status(mail=mail, new="queued", version=1)

        order.refresh_from_db()
        assert order.mail_status == "bounced"


class TestLogEvent:
    def test_names_no_address(self, cmc_webhook, caplog):
        with caplog.at_level(logging.INFO, receivers.__name__):
            cmc_webhook.play(samples.REFUSED, recipient="taro@example.jp")

        assert "BounceEvent" in caplog.text
        assert "taro" not in caplog.text


class TestOrderAdmin:
    def test_shows_the_mails_of_an_order(self, admin_client, cmc_webhook, order):
        cmc_webhook.play(samples.REFUSED, api_data="CMC00123", subject="Your order")

        page = admin_client.get(f"/admin/shop/order/{order.pk}/change/").content.decode()

        assert "Your order" in page
        assert "No such mailbox" in page


class TestMonth:
    def test_has_every_status_and_a_carrier_that_refuses(self, db):
        now = datetime(2026, 11, 29, 12, tzinfo=UTC)

        assert month.receive(now) > 6000

        mails = Mail.objects.all()
        statuses = Counter(mails.values_list("delivery_status", flat=True))
        classes = Counter(mails.values_list("bounce_class", flat=True))
        late = mails.filter(domain=month.CARRIER, created_at__gte=now - month.timedelta(hours=24))
        assert {"succeeded", "deferred", "failed"} <= statuses.keys()
        assert {"hard", "soft", "policy", "suppressed"} <= classes.keys()
        assert late.filter(bounce_class="policy").count() > late.count() / 2
        assert not mails.filter(created_at__gte=now).exists()
        assert {*mails.values_list("server_composition", flat=True)} == {"pro", "newsletter"}

    def test_is_the_same_each_time(self):
        now = datetime(2026, 11, 29, 12, tzinfo=UTC)

        assert [*month.events(now)] == [*month.events(now)]


class SignalsTest(TestCase):
    """The same with unittest, for `manage.py test`."""

    def test_a_refused_mail_is_told_once(self):
        with testing.signals_sent() as sent:
            testing.Webhook().post("bounces", testing.bounce(), testing.bounce())

        change = testing.assert_signal_sent(sent, signals.status_changed, sender=Mail, new="bounced")
        assert change["mail"].bounce_class == "hard"
        assert len(sent.of(signals.status_changed)) == 1
