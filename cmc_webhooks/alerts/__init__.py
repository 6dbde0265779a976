"""Alerts: raised and sent by a worker or a command, never by a web request."""

from __future__ import annotations

from cmc_webhooks.alerts.acknowledging import acknowledge
from cmc_webhooks.alerts.looking import Looked, expected, look, look_if_due
from cmc_webhooks.alerts.sending import Sent, send_test, send_unsent

__all__ = [
    "Looked",
    "Sent",
    "acknowledge",
    "expected",
    "look",
    "look_if_due",
    "send_test",
    "send_unsent",
]
