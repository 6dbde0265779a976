from __future__ import annotations

import io
import uuid

import pytest
from django.core.mail import EmailMessage
from django.core.management import call_command

from cmc_webhooks import dispatch, email_backend, erasure, models, signals, suppression, testing
from cmc_webhooks.models import routing
from cmc_webhooks.testing import samples
from tests.helpers import factories


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

    def test_collects_decisions_when_they_are_committed(self, db, django_capture_on_commit_callbacks):
        with testing.signals_sent() as sent:
            with django_capture_on_commit_callbacks(execute=True):
                suppression.block("no@x.jp", composition="pro")
                decided = list(sent)
            with django_capture_on_commit_callbacks(execute=True):
                suppression.forget("no@x.jp", composition="pro")

        assert decided == []
        blocked = testing.assert_signal_sent(
            sent, signals.suppression_changed, sender=models.Suppression, action="blocked", address="no@x.jp"
        )
        assert (blocked["composition"], blocked["decision"].kind) == ("pro", "blocked")
        assert [each["action"] for each in sent.of(signals.suppression_changed)] == ["blocked", "forgotten"]

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


def mark_hard_bounce(mail, **kwargs):
    """A receiver of the project."""


@pytest.fixture
def _hard_bounces():
    before = list(signals.status_changed.receivers)
    signals.on_status("bounced", bounce_class="hard", latest_only=True)(mark_hard_bounce)
    yield
    signals.status_changed.receivers[:] = before
    signals.status_changed.sender_receivers_cache.clear()


@pytest.mark.usefixtures("_hard_bounces")
class TestAssertReceived:
    def test_gives_the_arguments_of_a_call_that_on_status_let_pass(self, cmc_webhook, cmc_signals):
        cmc_webhook.play(samples.MAILBOX_FULL)
        testing.assert_not_received(cmc_signals, mark_hard_bounce)
        cmc_webhook.play(samples.UNKNOWN_HOST, message_id="<other@x>")

        arguments = testing.assert_received(cmc_signals, mark_hard_bounce, new="bounced", replay=False)

        assert arguments["mail"].bounce_class == "hard"
        assert [call.function for call in cmc_signals.received] == [mark_hard_bounce]

    def test_says_what_was_called_instead(self, cmc_webhook, cmc_signals):
        cmc_webhook.play(samples.UNKNOWN_HOST)

        with pytest.raises(
            AssertionError, match=r"not called: mark_hard_bounce with \{'new': 'failed'\}"
        ) as raised:
            testing.assert_received(cmc_signals, mark_hard_bounce, new="failed")
        with pytest.raises(AssertionError, match="mark_hard_bounce was called with"):
            testing.assert_not_received(cmc_signals, mark_hard_bounce)

        assert "mark_hard_bounce: {" in str(raised.value)

    def test_knows_a_method_and_an_object(self, cmc_webhook, cmc_signals):
        class Shop:
            def mark(self, **kwargs):
                pass

            __call__ = mark

        shop = Shop()
        before = list(signals.status_changed.receivers)
        try:
            for function in (shop.mark, shop):
                signals.on_status("bounced")(function)
                with pytest.raises(AssertionError, match=r"not called: .*Shop"):
                    testing.assert_received(cmc_signals, function)
            cmc_webhook.play(samples.UNKNOWN_HOST)
        finally:
            signals.status_changed.receivers[:] = before
            signals.status_changed.sender_receivers_cache.clear()

        for function in (shop.mark, shop):
            assert testing.assert_received(cmc_signals, function, new="bounced")
            with pytest.raises(AssertionError, match=r"Shop.* was called with"):
                testing.assert_not_received(cmc_signals, function)

    def test_ends_with_the_block(self, cmc_webhook):
        with testing.signals_sent() as sent:
            pass
        cmc_webhook.play(samples.UNKNOWN_HOST)

        assert sent.received == []


class TestAssertReplayed:
    def test_finds_what_a_person_has_sent_again(self, cmc_webhook, cmc_signals):
        cmc_webhook.play(samples.QUEUED)
        with pytest.raises(AssertionError, match="'replay': True"):
            testing.assert_replayed(cmc_signals, signals.event_recorded)

        call_command("cmc_redeliver", "--no-input", stdout=io.StringIO())

        again = testing.assert_replayed(cmc_signals, signals.status_changed, sender=models.Mail, new="queued")
        assert again["version"] == 1
        assert [each["replay"] for each in cmc_signals.of(signals.event_recorded)] == [False, True]


class TestAssertMailsPruned:
    def test_finds_the_mails(self, db, cmc_signals):
        mail, kept = factories.MailFactory.create_batch(2)
        dispatch.mails_pruned(routing.write_alias(), [mail.pk])

        with pytest.raises(AssertionError, match="send_pending_signals"):
            testing.assert_mails_pruned(cmc_signals)
        assert testing.send_pending_signals().sent == 1

        assert testing.assert_mails_pruned(cmc_signals, mail) == [mail.pk]
        assert testing.assert_mails_pruned(cmc_signals, mail.pk) == [mail.pk]
        with pytest.raises(AssertionError, match=f"without {kept.pk}"):
            testing.assert_mails_pruned(cmc_signals, mail, kept)


class TestAssertAddressErased:
    def test_finds_the_address_in_any_spelling(self, db, cmc_signals):
        mail = factories.MailFactory(recipient="user@example.jp")
        erasure.erase("user@example.jp")
        testing.send_pending_signals()

        assert testing.assert_address_erased(cmc_signals, "User <USER@example.jp>", mail) == [mail.pk]
        with pytest.raises(AssertionError, match=r"not sent: address_erased for other@example\.jp"):
            testing.assert_address_erased(cmc_signals, "other@example.jp")
        with pytest.raises(AssertionError, match="without"):
            testing.assert_address_erased(cmc_signals, "user@example.jp", uuid.uuid4())
