"""The outbox of signals: enqueue calls, send them after the commit, sweep pending rows."""

from __future__ import annotations

from cmc_webhooks.dispatch.lifecycle import address_erased, mails_pruned
from cmc_webhooks.dispatch.outbox import EnqueuedRow, SweepResult, enqueue, send
from cmc_webhooks.dispatch.sweeper import sweep

__all__ = [
    "EnqueuedRow",
    "SweepResult",
    "address_erased",
    "enqueue",
    "mails_pruned",
    "send",
    "sweep",
]
