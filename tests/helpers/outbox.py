"""Signals for tests of the outbox."""

from __future__ import annotations

from cmc_webhooks.calls import Call
from tests import factories

USING = "default"


def calls(number):
    """A call of each signal for `number` mails."""
    made = []
    for _ in range(number):
        event = factories.DeliveryEventFactory()
        made += [
            Call("event_recorded", event, event.mail),
            Call("status_changed", event, event.mail, "", "queued", 1),
        ]
    return made
