"""Signals for tests of the outbox."""

from __future__ import annotations

from cmc_webhooks.dispatch.calls import SignalCall
from tests.helpers import factories

USING = "default"


def calls(number):
    """A call of each signal for `number` mails."""
    made = []
    for _ in range(number):
        event = factories.DeliveryEventFactory()
        made += [
            SignalCall("event_recorded", event, event.mail),
            SignalCall("status_changed", event, event.mail, "", "queued", 1),
        ]
    return made
