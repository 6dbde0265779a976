"""The factories that users have, and those of the app's own tables."""

from __future__ import annotations

import factory

from cmc_webhooks import models, wire
from cmc_webhooks.testing.factories import (
    START,
    BlockEventFactory,
    BounceEventFactory,
    DeliveryEventFactory,
    MailFactory,
    NotificationFactory,
    RejectedEventFactory,
    _moment,
)

__all__ = [
    "START",
    "BlockEventFactory",
    "BounceEventFactory",
    "DeliveryEventFactory",
    "MailFactory",
    "NotificationFactory",
    "PendingSignalFactory",
    "RejectedEventFactory",
]


class SuppressionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = models.Suppression

    class Params:
        number = factory.Sequence(int)

    address = factory.LazyAttribute(lambda it: f"user{it.number}@example.jp")
    id = factory.LazyAttribute(lambda it: wire.address_key(it.address))
    kind = "blocked"
    note = ""
    decided_at = factory.LazyAttribute(lambda it: _moment(it.number))


class PendingSignalFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = models.PendingSignal

    class Params:
        number = factory.Sequence(int)

    id = factory.LazyAttribute(lambda it: wire.time_key(int(_moment(it.number).timestamp() * 1000)))
    items = factory.List([])
    available_at = factory.LazyAttribute(lambda it: int(_moment(it.number).timestamp() * 1000))
    attempts = 1
    state = "pending"
    last_error = ""
