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
    "AlertFactory",
    "BlockEventFactory",
    "BounceEventFactory",
    "DeliveryEventFactory",
    "MailFactory",
    "NotificationFactory",
    "PendingSignalFactory",
    "RejectedEventFactory",
    "TrailFactory",
]


class SuppressionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = models.Suppression

    class Params:
        number = factory.Sequence(int)
        kept = factory.LazyAttribute(lambda it: [it.kind, it.reason] if it.reason else [])

    address = factory.LazyAttribute(lambda it: f"user{it.number}@example.jp")
    server_composition = ""
    id = factory.LazyAttribute(lambda it: wire.decision_key(it.address, it.server_composition, *it.kept))
    address_key = factory.LazyAttribute(lambda it: wire.address_key(it.address))
    kind = "blocked"
    reason = ""
    note = ""
    decided_at = factory.LazyAttribute(lambda it: _moment(it.number))


class ChangeFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = models.Change

    class Params:
        number = factory.Sequence(int)

    seq = factory.LazyAttribute(lambda it: it.number + 1)
    kind = "mail"
    key = factory.LazyAttribute(lambda it: wire.count_key("change", str(it.number)))
    server_composition = "pro"
    at = factory.LazyAttribute(lambda it: _moment(it.number))


class AlertFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = models.Alert

    class Params:
        number = factory.Sequence(int)

    id = factory.LazyAttribute(lambda it: wire.time_key(int(_moment(it.number).timestamp() * 1000)))
    key = factory.LazyAttribute(lambda it: wire.count_key("alert", str(it.number)))
    open_key = factory.LazyAttribute(lambda it: None if it.resolved_at else it.key)
    kind = "rate"
    server_composition = ""
    bounce_class = ""
    domain = "docomo.ne.jp"
    numbers = factory.Dict({"mails": 167, "refused": 140, "usual": 0.02})
    raised_at = factory.LazyAttribute(lambda it: _moment(it.number))
    last_seen_at = factory.SelfAttribute("raised_at")
    resolved_at = None


class TrailFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = models.Trail

    class Params:
        number = factory.Sequence(int)

    id = factory.LazyAttribute(lambda it: wire.time_key(int(_moment(it.number).timestamp() * 1000)))
    at = factory.LazyAttribute(lambda it: _moment(it.number))
    what = "erased"
    via = "command"
    rows = 3
    details = factory.Dict({"mails": 3})


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
