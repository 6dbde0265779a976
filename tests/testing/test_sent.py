from __future__ import annotations

import pytest
from django.core.mail import EmailMessage

from cmc_webhooks import email_backend, models, signals, suppression, testing
from cmc_webhooks.testing import samples


class TestSignalsSent:
    def test_collects_both_signals_in_their_order(self, cmc_webhook):
        with testing.signals_sent() as sent:
            cmc_webhook.play(samples.QUEUED)

        assert [(each.signal, each.sender) for each in sent] == [
            ("event_recorded", models.DeliveryEvent),
            ("status_changed", models.Mail),
        ]
        assert sent.of(signals.status_changed) == sent.of("status_changed")

    def test_collects_what_the_email_backend_tells(self, db, settings):
        settings.CMC_WEBHOOKS_EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
        suppression.block("no@x.jp")
        message = EmailMessage("s", "t", to=["no@x.jp", "yes@x.jp"])

        with testing.signals_sent() as sent:
            email_backend.SuppressingBackend().send_messages([message])

        told = testing.assert_signal_sent(sent, signals.recipients_suppressed, message=message)
        assert list(told["verdicts"]) == ["no@x.jp"]

    def test_ends_with_its_block(self, cmc_webhook):
        with testing.signals_sent() as sent:
            pass
        cmc_webhook.play(samples.QUEUED)

        assert sent == []
        assert not signals.event_recorded.has_listeners(models.DeliveryEvent)


class TestAssertSignalSent:
    def test_gives_the_arguments_of_the_first_that_fits(self, cmc_webhook, cmc_signals):
        cmc_webhook.play(samples.DELIVERED)

        change = testing.assert_signal_sent(cmc_signals, signals.status_changed, new="succeeded")

        assert (change["old"], change["version"]) == ("queued", 2)
        assert testing.assert_signal_sent(cmc_signals, "event_recorded", models.DeliveryEvent)["mail"]

    @pytest.mark.parametrize(
        "wanted",
        [
            (signals.status_changed, None, {"new": "bounced"}),
            (signals.event_recorded, models.BounceEvent, {}),
            (signals.event_recorded, None, {"new": "queued"}),
        ],
        ids=["value", "sender", "argument"],
    )
    def test_says_what_was_sent_instead(self, cmc_webhook, cmc_signals, wanted):
        cmc_webhook.play(samples.QUEUED)
        signal, sender, expected = wanted

        with pytest.raises(AssertionError, match=r"(?s)not sent: .*sent were:\n  event_recorded by Del"):
            testing.assert_signal_sent(cmc_signals, signal, sender, **expected)

    def test_says_that_nothing_was_sent(self):
        with pytest.raises(AssertionError, match="  none"):
            testing.assert_signal_sent(testing.SentSignals(), signals.event_recorded)
