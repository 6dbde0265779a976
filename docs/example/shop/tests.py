# shop/tests.py
from cmc_webhooks import testing
from cmc_webhooks.testing import samples
from django.core import mail
from django.test import TestCase

from shop.models import Order
from shop.orders import send_confirmation


class MarkOrderTest(TestCase):
    def setUp(self):
        self.order = Order.objects.create(number="A-1001", email="hanako@example.jp")

    def play(self, sample):
        testing.Webhook().play(sample, api_data="A-1001")
        self.order.refresh_from_db()

    def test_an_unknown_mailbox_marks_the_order(self):
        self.play(samples.REFUSED)
        self.assertTrue(self.order.mail_bounced)

    def test_a_full_mailbox_does_not(self):
        self.play(samples.MAILBOX_FULL)
        self.assertFalse(self.order.mail_bounced)

    def test_the_confirmation_carries_the_number(self):
        send_confirmation(self.order)
        self.assertEqual(mail.outbox[0].extra_headers, {"X-Api-Data": "A-1001"})
