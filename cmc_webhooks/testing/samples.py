"""What can happen to a mail, for `Webhook.play` and `events`."""

from __future__ import annotations

from cmc_webhooks import stories
from cmc_webhooks.stories import Story

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

QUEUED: Story = (stories.QUEUED,)
"""CMC has taken it."""
DELIVERED: Story = stories.delivered()
"""Handed over after three seconds."""
DEFERRED: Story = stories.deferred()[:2]
"""Put back once; to be sent again."""
DELIVERED_LATE: Story = stories.deferred()
"""Put back twice, then handed over."""
REFUSED: Story = stories.refused()
"""Refused for an unknown user: `failed`, and a bounce with code 2."""
UNKNOWN_HOST: Story = stories.refused("1")
"""No such domain: `failed`, and a bounce with code 1."""
MAILBOX_FULL: Story = stories.refused("5")
"""`failed`, and a bounce with code 5."""
GIVEN_UP: Story = stories.given_up()
"""Put back until the resend period was over: `failed`, and a bounce with code 3."""
BOUNCED_LATER: Story = stories.bounced_later()
"""Handed over, and returned a day later: a bounce with code 2."""
SUPPRESSED: Story = stories.suppressed()
"""Not sent, since CMC blocks the address: `failed`, and a bounce with code 10."""
UNSUBSCRIBED: Story = stories.suppressed("11")
"""Not sent, since the recipient unsubscribed: `failed`, and a bounce with code 11."""
