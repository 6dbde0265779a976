"""The stored history of CMC's notifications. Only `store` writes rows; see there and in `ingest`."""

from __future__ import annotations

from cmc_webhooks.models.alerts import Alert, AlertLook, AlertMessage
from cmc_webhooks.models.changes import Change, FeedHead
from cmc_webhooks.models.counts import DomainCount, MailCount
from cmc_webhooks.models.events import BlockEvent, BounceEvent, DeliveryEvent, MailEvent
from cmc_webhooks.models.mails import Mail
from cmc_webhooks.models.notifications import Notification, RejectedEvent
from cmc_webhooks.models.outbox import PendingSignal
from cmc_webhooks.models.refusals import RefusalCount
from cmc_webhooks.models.suppressions import Suppression
from cmc_webhooks.models.trail import Trail

__all__ = [
    "Alert",
    "AlertLook",
    "AlertMessage",
    "BlockEvent",
    "BounceEvent",
    "Change",
    "DeliveryEvent",
    "DomainCount",
    "FeedHead",
    "Mail",
    "MailCount",
    "MailEvent",
    "Notification",
    "PendingSignal",
    "RefusalCount",
    "RejectedEvent",
    "Suppression",
    "Trail",
]
