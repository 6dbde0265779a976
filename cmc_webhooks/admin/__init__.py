"""Django admin of the stored history. Importing this package registers its pages."""

from __future__ import annotations

from cmc_webhooks.admin.alerts import AlertAdmin
from cmc_webhooks.admin.events import BlockEventAdmin, BounceEventAdmin, DeliveryEventAdmin
from cmc_webhooks.admin.mails import MailAdmin
from cmc_webhooks.admin.notifications import NotificationAdmin, RejectedEventAdmin
from cmc_webhooks.admin.outbox import PendingSignalAdmin
from cmc_webhooks.admin.suppressions import SuppressionAdmin
from cmc_webhooks.admin.trail import TrailAdmin

__all__ = [
    "AlertAdmin",
    "BlockEventAdmin",
    "BounceEventAdmin",
    "DeliveryEventAdmin",
    "MailAdmin",
    "NotificationAdmin",
    "PendingSignalAdmin",
    "RejectedEventAdmin",
    "SuppressionAdmin",
    "TrailAdmin",
]
