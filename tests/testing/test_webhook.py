from __future__ import annotations

import pytest
from django.test import TestCase

from cmc_webhooks import models, testing
from cmc_webhooks.testing import samples

STATUSES = {
    "QUEUED": "queued",
    "DEFERRED": "deferred",
    "DELIVERED": "succeeded",
    "DELIVERED_LATE": "succeeded",
}


class TestCmcWebhook:
    @pytest.mark.parametrize("name", samples.__all__)
    def test_plays_every_sample(self, cmc_webhook, name):
        answers = cmc_webhook.play(getattr(samples, name), api_data="CMC00123")

        mail = models.Mail.objects.get()
        assert {answer.status_code for answer in answers} == {200}
        assert (mail.status, mail.api_data) == (STATUSES.get(name, "bounced"), "CMC00123")

    @pytest.mark.parametrize("how", [{"form": True}, {"version": 1}], ids=str)
    def test_posts_as_cmc_may(self, cmc_webhook, how):
        answer = cmc_webhook.post("deliveries", testing.delivery(), testing.delivery(status="failed"), **how)

        assert answer.json() == {"new": 2, "repeated": 0, "rejected": 0}

    def test_has_sent_the_signals_when_it_answers(self, cmc_webhook, cmc_signals):
        cmc_webhook.post("deliveries", testing.delivery())
        cmc_webhook.post("deliveries", testing.delivery())

        assert [sent.signal for sent in cmc_signals] == ["event_recorded", "status_changed"]
        assert not models.PendingSignal.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_does_so_without_a_transaction_around_it(self, cmc_webhook, cmc_signals):
        cmc_webhook.play(samples.DELIVERED)

        assert [change["new"] for change in cmc_signals.of("status_changed")] == ["queued", "succeeded"]

    @pytest.mark.parametrize(
        "configured",
        [
            {"API_KEYS": [], "BASIC_AUTH": ["user:a-password-for-tests"]},
            {"API_KEYS": ["a-key-for-these-tests"], "BEARER_TOKENS": ["tökén-for-tests"]},
            {"DISPATCH": "deferred", "ALLOWED_NETWORKS": ["192.0.2.0/24"]},
        ],
        ids=str,
    )
    def test_is_let_in_and_heard_whatever_the_settings(self, cmc_webhook, cmc_signals, settings, configured):
        for name, value in configured.items():
            setattr(settings, f"CMC_WEBHOOKS_{name}", value)

        answer = cmc_webhook.post("bounces", testing.bounce())

        assert answer.status_code == 200
        assert len(cmc_signals) == 2

    def test_is_refused_with_a_wrong_key(self, cmc_webhook):
        answer = cmc_webhook.post("deliveries", testing.delivery(), api_key="wrong", check=False)

        assert answer.status_code == 403

    def test_sends_any_bytes(self, cmc_webhook):
        assert cmc_webhook.send(b"{", "application/json", check=False).status_code == 400


class TestWithUnittest(TestCase):
    def test_needs_no_fixture(self):
        with testing.signals_sent() as sent:
            testing.Webhook().play(samples.REFUSED)

        self.assertEqual(sent.of("status_changed")[-1]["new"], "bounced")  # noqa: PT009 - unittest's own
