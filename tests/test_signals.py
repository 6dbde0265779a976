"""`on_status`: a function is called for some changes of a status only."""

from __future__ import annotations

import logging

import pytest

from cmc_webhooks import dispatch, models, signals
from cmc_webhooks.dispatch import receivers
from cmc_webhooks.dispatch.calls import SignalCall
from cmc_webhooks.testing import samples
from tests.helpers import factories
from tests.helpers.outbox import USING

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _restore():
    before = list(signals.status_changed.receivers)
    yield
    signals.status_changed.receivers[:] = before
    signals.status_changed.sender_receivers_cache.clear()


@pytest.fixture
def called():
    return []


@pytest.fixture
def note(called):
    def note(mail, new, version, **kwargs):
        called.append((new, version))

    return note


def change(new="bounced", version=1, mail=None, **values):
    """Enqueue a change of a status, decided by a bounce or by a delivery."""
    factory = factories.BounceEventFactory if new == "bounced" else factories.DeliveryEventFactory
    event = factory(**values, **({"mail": mail} if mail else {}))
    models.Mail.objects.filter(pk=event.mail_id, version__lt=version).update(version=version, status=new)
    dispatch.enqueue(USING, [SignalCall("status_changed", event, event.mail, "", new, version)], leased=False)
    return event.mail


class TestOnStatus:
    def test_calls_for_its_statuses_alone(self, called, note):
        signals.on_status("succeeded", "failed")(note)

        for new in ("queued", "succeeded", "bounced", "failed"):
            change(new)
        dispatch.sweep(USING)

        assert [new for new, _ in called] == ["succeeded", "failed"]

    def test_calls_for_every_change_without_a_status(self, called, note):
        signals.on_status()(note)

        for new in ("queued", "a word never seen"):
            change(new)
        dispatch.sweep(USING)

        assert [new for new, _ in called] == ["queued", "a word never seen"]

    @pytest.mark.parametrize(
        ("bounce_class", "expected"),
        [("hard", [1, 2]), ("soft", [3]), ("unknown", [4]), (None, [1, 2, 3, 4])],
    )
    def test_calls_for_its_class_of_bounces_alone(self, called, note, bounce_class, expected):
        signals.on_status("bounced", bounce_class=bounce_class)(note)

        for version, code in enumerate(["1", "2", "5", "99"], start=1):
            change(version=version, bounce_code=code)
        dispatch.sweep(USING)

        assert [version for _, version in called] == expected

    def test_goes_by_the_bounce_that_decided_and_not_by_a_later_one(self, called, note):
        signals.on_status("bounced", bounce_class="hard")(note)
        mail = change(bounce_code="2")
        models.Mail.objects.filter(pk=mail.pk).update(bounce_class="soft")

        dispatch.sweep(USING)

        assert called == [("bounced", 1)]

    def test_of_a_class_takes_no_change_that_a_delivery_decided(self, called, note):
        signals.on_status(bounce_class="hard")(note)
        change("failed")

        dispatch.sweep(USING)

        assert called == []

    @pytest.mark.parametrize("bounce_class", ["", "Hard", "harsh"])
    def test_refuses_what_is_no_class(self, bounce_class):
        with pytest.raises(ValueError, match="not a class of bounces: hard, soft, policy"):
            signals.on_status("bounced", bounce_class=bounce_class)

    @pytest.mark.parametrize(("latest_only", "expected"), [(True, [2]), (False, [1, 2])])
    def test_drops_a_call_that_was_overtaken(self, called, note, latest_only, expected):
        signals.on_status(latest_only=latest_only)(note)
        mail = change("queued", 1)
        change("succeeded", 2, mail=mail)

        assert dispatch.sweep(USING) == dispatch.SweepResult(sent=2)
        assert [version for _, version in called] == expected

    def test_reads_the_version_when_it_is_called(self, called, note):
        """The rows of a batch are in memory while its signals are sent; another process goes on meanwhile."""
        signals.on_status(latest_only=True)(note)
        event = factories.DeliveryEventFactory(mail__version=1)
        enqueued = dispatch.enqueue(
            USING, [SignalCall("status_changed", event, event.mail, "", "queued", 1)], leased=True
        )
        models.Mail.objects.update(version=2)

        dispatch.send(USING, enqueued)

        assert called == []
        assert not models.PendingSignal.objects.exists()

    def test_calls_for_a_mail_that_is_gone(self, called, note):
        signals.on_status(latest_only=True)(note)
        event = factories.DeliveryEventFactory()
        enqueued = dispatch.enqueue(
            USING, [SignalCall("status_changed", event, event.mail, "", "queued", 1)], leased=True
        )
        models.Mail.objects.all().delete()

        dispatch.send(USING, enqueued)

        assert called == [("queued", 1)]

    def test_reads_nothing_for_a_change_that_it_does_not_take(self, note, django_assert_num_queries):
        signals.on_status("bounced", latest_only=True)(note)
        event = factories.DeliveryEventFactory()
        call = SignalCall("status_changed", event, event.mail, "", "queued", 1)
        [receiver] = receivers.connected(signals.status_changed, models.Mail)

        with django_assert_num_queries(0):
            assert dispatch.calls.send(call, [receiver]) == []

    def test_connects_asynchronous_functions(self, called):
        async def later(new, **kwargs):
            called.append(new)

        signals.on_status("bounced", latest_only=True)(later)
        for new in ("queued", "bounced"):
            change(new)
        dispatch.sweep(USING)

        [receiver] = receivers.connected(signals.status_changed, models.Mail)
        assert (called, receiver.is_async) == (["bounced"], True)

    def test_returns_the_function_and_keeps_its_name(self, note):
        assert signals.on_status("bounced")(change) is change

        [receiver] = receivers.connected(signals.status_changed, models.Mail)
        assert receiver.name == "tests.test_signals.change"

    def test_takes_a_name(self, note):
        signals.on_status("bounced", dispatch_uid="shop")(note)
        signals.on_status("failed", dispatch_uid="shop-failed")(note)

        found = receivers.connected(signals.status_changed, models.Mail)
        assert [each.name for each in found] == ["shop", "shop-failed"]

    def test_is_retried_like_any_receiver(self, called, caplog):
        def fail(version, **kwargs):
            called.append(version)
            if len(called) == 1:
                raise ValueError

        signals.on_status("bounced", dispatch_uid="shop")(fail)
        change()

        with caplog.at_level(logging.ERROR):
            dispatch.sweep(USING)
        [failure] = models.PendingSignal.objects.get().failures
        models.PendingSignal.objects.update(available_at=0)
        dispatch.sweep(USING)

        assert (failure["receiver"], failure["error"]) == ("shop", "ValueError")
        assert failure["place"] == f"tests/test_signals.py:{fail.__code__.co_firstlineno + 3}"
        assert called == [1, 1]
        assert not models.PendingSignal.objects.exists()

    def test_follows_a_mail_from_the_webhook(self, called, note, cmc_webhook):
        signals.on_status("bounced", bounce_class="soft", latest_only=True)(note)

        cmc_webhook.play(samples.MAILBOX_FULL)
        cmc_webhook.play(samples.REFUSED)

        assert [new for new, _ in called] == ["bounced"]
