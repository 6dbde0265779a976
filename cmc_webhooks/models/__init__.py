"""What is kept of CMC's notifications. Rows are written by `store` alone; see there and in `ingest`."""

from __future__ import annotations

from cmc_webhooks.models.counts import DomainCount, MailCount
from cmc_webhooks.models.events import BlockEvent, BounceEvent, DeliveryEvent, MailEvent
from cmc_webhooks.models.intake import Notification, RejectedEvent
from cmc_webhooks.models.mails import Mail
from cmc_webhooks.models.outbox import PendingSignal
from cmc_webhooks.models.suppressions import Suppression

__all__ = [
    "BlockEvent",
    "BounceEvent",
    "DeliveryEvent",
    "DomainCount",
    "Mail",
    "MailCount",
    "MailEvent",
    "Notification",
    "PendingSignal",
    "RejectedEvent",
    "Suppression",
]
