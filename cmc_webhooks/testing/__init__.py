"""For the tests of projects that use this app: notifications as CMC writes them, and the signals they cause.

Nothing here needs pytest or factory-boy but `plugin` and `factories`: import these where you want them.
"""

from __future__ import annotations

from cmc_webhooks.testing import samples
from cmc_webhooks.testing.notifications import block, bounce, delivery, events, notification
from cmc_webhooks.testing.sent import SentSignal, SentSignals, assert_signal_sent, signals_sent
from cmc_webhooks.testing.webhook import Webhook

__all__ = [
    "SentSignal",
    "SentSignals",
    "Webhook",
    "assert_signal_sent",
    "block",
    "bounce",
    "delivery",
    "events",
    "notification",
    "samples",
    "signals_sent",
]
