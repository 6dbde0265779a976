"""Django's own admin for all that is kept: to look at, never to change. Importing this registers it."""

from __future__ import annotations

from cmc_webhooks.admin.events import BlockEventAdmin, BounceEventAdmin, DeliveryEventAdmin
from cmc_webhooks.admin.intake import NotificationAdmin, PendingSignalAdmin, RejectedEventAdmin
from cmc_webhooks.admin.mails import MailAdmin

__all__ = [
    "BlockEventAdmin",
    "BounceEventAdmin",
    "DeliveryEventAdmin",
    "MailAdmin",
    "NotificationAdmin",
    "PendingSignalAdmin",
    "RejectedEventAdmin",
]
