"""Django's own admin for all that is kept: history to look at. Importing this registers it."""

from __future__ import annotations

from cmc_webhooks.admin.events import BlockEventAdmin, BounceEventAdmin, DeliveryEventAdmin
from cmc_webhooks.admin.intake import NotificationAdmin, PendingSignalAdmin, RejectedEventAdmin
from cmc_webhooks.admin.mails import MailAdmin
from cmc_webhooks.admin.suppressions import SuppressionAdmin

__all__ = [
    "BlockEventAdmin",
    "BounceEventAdmin",
    "DeliveryEventAdmin",
    "MailAdmin",
    "NotificationAdmin",
    "PendingSignalAdmin",
    "RejectedEventAdmin",
    "SuppressionAdmin",
]
