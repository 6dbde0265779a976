"""Stories of mails for `Webhook.play` and `events`."""

from __future__ import annotations

from cmc_webhooks.simulator import scenarios
from cmc_webhooks.simulator.scenarios import Scenario

__all__ = [
    "BOUNCED_LATER",
    "DEFERRED",
    "DELIVERED",
    "DELIVERED_LATE",
    "GIVEN_UP",
    "MAILBOX_FULL",
    "QUEUED",
    "REFUSED",
    "SUPPRESSED",
    "UNKNOWN_HOST",
    "UNSUBSCRIBED",
]

QUEUED: Scenario = (scenarios.QUEUED,)
"""Accepted by CMC."""
DELIVERED: Scenario = scenarios.delivered()
"""Handed over after three seconds."""
DEFERRED: Scenario = scenarios.deferred()[:2]
"""Deferred once, to be resent."""
DELIVERED_LATE: Scenario = scenarios.deferred()
"""Deferred twice, then handed over."""
REFUSED: Scenario = scenarios.refused()
"""Refused for an unknown user: `failed`, and a bounce with code 2."""
UNKNOWN_HOST: Scenario = scenarios.refused("1")
"""No such domain: `failed`, and a bounce with code 1."""
MAILBOX_FULL: Scenario = scenarios.refused("5")
"""`failed`, and a bounce with code 5."""
GIVEN_UP: Scenario = scenarios.given_up()
"""Deferred until the resend period ended: `failed`, and a bounce with code 3."""
BOUNCED_LATER: Scenario = scenarios.bounced_later()
"""Handed over, but returned a day after it was accepted: a bounce with code 2."""
SUPPRESSED: Scenario = scenarios.suppressed()
"""Not sent because CMC blocks the address: `failed`, and a bounce with code 10."""
UNSUBSCRIBED: Scenario = scenarios.suppressed("11")
"""Not sent because the recipient unsubscribed: `failed`, and a bounce with code 11."""
