"""factory-boy factories of valid rows with plausible values. A test sets only the values it is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cmc_webhooks import models, wire
from cmc_webhooks.status import bounce_class

try:
    import factory
except ImportError as error:
    raise ImportError(f'{__name__} needs factory-boy: pip install "django-cmc-webhooks[testing]"') from error

__all__ = [
    "BlockEventFactory",
    "BounceEventFactory",
    "DeliveryEventFactory",
    "MailFactory",
    "NotificationFactory",
    "RejectedEventFactory",
]

START = datetime(2023, 1, 25, 5, 0, tzinfo=UTC)


def _moment(number: int) -> datetime:
    return START + timedelta(seconds=number)


class NotificationFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = models.Notification

    class Params:
        number = factory.Sequence(int)

    received_at = factory.LazyAttribute(lambda it: _moment(it.number))
    id = factory.LazyAttribute(lambda it: wire.time_key(int(it.received_at.timestamp() * 1000)))
    source = "webhook"
    event_type = "deliveries"
    server_composition = "pro"
    new = 1
    repeated = 0
    rejected = 0


class MailFactory(factory.django.DjangoModelFactory):
    """A factory of queued mails. Set `delivery_status` or `bounce_code` for another outcome."""

    class Meta:
        model = models.Mail

    class Params:
        number = factory.Sequence(int)
        bounced = factory.LazyAttribute(lambda it: bool(it.bounce_code))

    message_id = factory.LazyAttribute(lambda it: f"<mail-{it.number}@example.com>")
    recipient = factory.LazyAttribute(lambda it: f"user{it.number}@example.jp")
    address = factory.LazyAttribute(lambda it: wire.canonical_mailbox(it.recipient))
    domain = factory.LazyAttribute(lambda it: wire.domain_of(it.address))
    header_from = "info@example.com"
    sender = factory.LazyAttribute(lambda it: wire.canonical_mailbox(it.header_from)[:320])
    return_path = "info@return.pro.smtps.jp"
    subject = "メールマガジンのテスト"
    api_data = ""
    server_composition = "pro"
    delivery_status = "queued"
    bounce_code = ""
    bounce_class = factory.LazyAttribute(lambda it: bounce_class(it.bounce_code).value if it.bounced else "")
    status = factory.LazyAttribute(lambda it: "bounced" if it.bounced else it.delivery_status)
    previous_status = ""
    reason = ""
    version = 1
    created_at = factory.LazyAttribute(lambda it: _moment(it.number))
    first_event_at = factory.SelfAttribute("created_at")
    last_event_at = factory.SelfAttribute("created_at")
    status_at = factory.SelfAttribute("created_at")
    delivery_event_id = factory.LazyAttribute(
        lambda it: wire.key_at(it.created_at) if it.delivery_status else None
    )
    bounce_event_id = factory.LazyAttribute(lambda it: wire.key_at(it.created_at) if it.bounced else None)

    @factory.lazy_attribute
    def id(self) -> Any:
        return wire.mail_key(
            wire.bare_message_id(self.message_id),
            self.server_composition,
            wire.normalise_address(self.recipient),
            wire.key_at(self.created_at),
        )


class _MailEventFactory(factory.django.DjangoModelFactory):
    class Meta:
        abstract = True

    class Params:
        number = factory.Sequence(int)

    mail = factory.SubFactory(MailFactory)
    notification = factory.SubFactory(NotificationFactory)
    occurred_at = factory.LazyAttribute(lambda it: _moment(it.number))
    received_at = factory.SelfAttribute("occurred_at")
    reason = ""
    extra = factory.Dict({})


def _key(event_type: str) -> Any:
    """Return an attribute that is an event key as `wire` makes it, for a webhook whose zone is UTC."""
    return factory.LazyAttribute(
        lambda it: wire.event_key(
            event_type, it.mail.server_composition, {"number": str(it.number)}, {}, it.occurred_at
        )
    )


class DeliveryEventFactory(_MailEventFactory):
    class Meta:
        model = models.DeliveryEvent

    id = _key("deliveries")
    status = "queued"
    source_ip = "192.0.2.1"
    sender_ip = ""


class BounceEventFactory(_MailEventFactory):
    class Meta:
        model = models.BounceEvent

    id = _key("bounces")
    bounce_code = "2"
    reason = "550 5.1.1 user unknown"


class BlockEventFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = models.BlockEvent

    class Params:
        number = factory.Sequence(int)

    notification = factory.SubFactory(NotificationFactory, event_type="blocks")
    occurred_at = factory.LazyAttribute(lambda it: _moment(it.number))
    received_at = factory.SelfAttribute("occurred_at")
    id = factory.LazyAttribute(
        lambda it: wire.event_key("blocks", "pro", {"number": str(it.number)}, {}, it.occurred_at)
    )
    server_composition = "pro"
    address = factory.LazyAttribute(lambda it: f"user{it.number}@example.jp")
    bounce_code = "2"
    occurrences = "1"
    raw = factory.LazyAttribute(lambda it: {"email": it.address, "status": it.bounce_code})


class RejectedEventFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = models.RejectedEvent

    class Params:
        number = factory.Sequence(int)

    received_at = factory.LazyAttribute(lambda it: _moment(it.number))
    event_type = "deliveries"
    server_composition = "pro"
    position = 1
    raw = factory.LazyAttribute(lambda it: f'{{"to": ["list{it.number}@example.jp"]}}')
    error = "event.deliveries[1]: to is not text"
    id = factory.LazyAttribute(lambda it: wire.rejection_key(it.event_type, it.server_composition, it.raw))
