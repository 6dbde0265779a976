"""Test helpers for projects that use this app: notifications as CMC writes them, and the signals they cause.

Only `plugin` needs pytest, and only `factories` needs factory-boy. Import these two where you need them.
"""

from __future__ import annotations

from cmc_webhooks.testing import samples
from cmc_webhooks.testing.notifications import block, bounce, delivery, events, notification
from cmc_webhooks.testing.sent import (
    ReceivedStatus,
    SentSignal,
    SentSignals,
    assert_address_erased,
    assert_mails_pruned,
    assert_not_received,
    assert_received,
    assert_replayed,
    assert_signal_sent,
    send_pending_signals,
    signals_sent,
)
from cmc_webhooks.testing.webhook import PostFailed, Webhook

__all__ = [
    "PostFailed",
    "ReceivedStatus",
    "SentSignal",
    "SentSignals",
    "Webhook",
    "assert_address_erased",
    "assert_mails_pruned",
    "assert_not_received",
    "assert_received",
    "assert_replayed",
    "assert_signal_sent",
    "block",
    "bounce",
    "delivery",
    "events",
    "notification",
    "samples",
    "send_pending_signals",
    "signals_sent",
]
