"""Receivers without a unique name, and statuses that no mail has, are reported."""

from __future__ import annotations

import pytest
from django.core import checks

from cmc_webhooks import models, signals
from cmc_webhooks.checks import check_receivers


def first(**kwargs):
    """A receiver with a unique name."""


class Shop:
    def mark(self, **kwargs):
        """A receiver that shares its name with that of another instance."""


@pytest.fixture(autouse=True)
def _restore():
    listened = [signals.event_recorded, signals.status_changed, signals.mails_pruned, signals.address_erased]
    before = [list(signal.receivers) for signal in listened]
    yield
    for signal, receivers in zip(listened, before, strict=True):
        signal.receivers[:] = receivers
        signal.sender_receivers_cache.clear()


def messages():
    return [(message.id, message.msg) for message in check_receivers(None)]


class TestCheckReceivers:
    def test_is_silent_about_receivers_with_a_name(self):
        signals.event_recorded.connect(first)
        signals.status_changed.connect(first, sender=models.Mail)
        signals.mails_pruned.connect(lambda **kwargs: None, weak=False, dispatch_uid="pruned")
        signals.on_status("bounced", "failed", bounce_class="hard")(first.__call__)

        assert messages() == []

    def test_is_registered(self):
        assert check_receivers in checks.registry.registry.get_checks()

    @pytest.mark.parametrize("name", ["event_recorded", "status_changed", "mails_pruned", "address_erased"])
    def test_names_a_lambda(self, name):
        getattr(signals, name).connect(lambda **kwargs: None, weak=False)

        [(number, text)] = messages()

        assert number == "cmc_webhooks.W095"
        assert text.startswith(f"A receiver of {name} has no unique name: {__name__}.TestCheckReceivers.")
        assert text.endswith("<lambda>.")

    @pytest.mark.parametrize("sender", [models.DeliveryEvent, models.BounceEvent, models.BlockEvent])
    def test_looks_at_each_sender(self, sender):
        signals.event_recorded.connect(first, sender=sender)
        signals.event_recorded.connect(first, sender=None)

        assert messages() == [
            ("cmc_webhooks.W095", f"A receiver of event_recorded has no unique name: {__name__}.first.")
        ]

    def test_names_each_once(self):
        shops = [Shop(), Shop()]
        for shop in shops:
            signals.event_recorded.connect(shop.mark)
        signals.event_recorded.connect(first, dispatch_uid="a<b")

        assert messages() == [
            (
                "cmc_webhooks.W095",
                f"Receivers of event_recorded have no unique names: {__name__}.Shop.mark, a<b.",
            )
        ]

    def test_names_words_that_no_mail_has(self):
        signals.on_status("bounced", "bouncd", "fail")(first)

        [message] = check_receivers(None)

        assert (message.id, message.msg) == (
            "cmc_webhooks.W096",
            f'on_status connects {__name__}.first for an unknown status: "bouncd", "fail".',
        )
        assert message.hint == "Must be one of: queued, deferred, succeeded, failed, bounced"
