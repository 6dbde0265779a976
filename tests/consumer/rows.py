"""Rows have the type of their model, however they are looked up and taken."""

from __future__ import annotations

from typing import assert_type
from uuid import UUID

from cmc_webhooks import history
from cmc_webhooks.models import (
    BlockEvent,
    BounceEvent,
    DeliveryEvent,
    Mail,
    Notification,
    PendingSignal,
    RejectedEvent,
    Suppression,
)
from cmc_webhooks.status import BounceClass, DeliveryStatus, bounce_class


def mails() -> None:
    found = Mail.objects.for_address("user@example.jp")

    assert_type(found.first(), Mail | None)
    assert_type(found.filter(status="bounced").first(), Mail | None)
    assert_type(found.exclude(status="bounced").order_by("-created_at").last(), Mail | None)
    assert_type(found[0], Mail)
    assert_type(found.get(), Mail)
    assert_type(found.earliest("created_at"), Mail)
    assert_type(Mail.objects.filter(status="bounced").for_domain("example.jp")[0], Mail)
    assert_type(Mail.objects.using("replica").for_message("<m1@example.jp>").first(), Mail | None)
    assert_type(Mail.objects.get(status="bounced"), Mail)
    for mail in found:
        assert_type(mail, Mail)
    for mail in Mail.objects.for_domain("example.jp").iterator():
        assert_type(mail, Mail)
    for mail in found[:20]:
        assert_type(mail, Mail)
    assert_type(list(found), list[Mail])
    assert_type(found.count(), int)


async def mails_awaited() -> None:
    assert_type(await Mail.objects.for_address("user@example.jp").afirst(), Mail | None)
    assert_type(await Mail.objects.aget(status="bounced"), Mail)
    async for mail in Mail.objects.for_address("user@example.jp"):
        assert_type(mail, Mail)


def deliveries() -> None:
    found = DeliveryEvent.objects.with_status("failed", "deferred")

    assert_type(found.first(), DeliveryEvent | None)
    assert_type(found.for_address("user@example.jp").for_domain("example.jp")[0], DeliveryEvent)
    assert_type(found.occurred_between().for_message("m1@example.jp").last(), DeliveryEvent | None)
    for event in found.select_related("mail"):
        assert_type(event, DeliveryEvent)
        assert_type(event.mail, Mail)
        assert_type(event.mail_id, UUID)
        assert_type(event.recipient, str)


def bounces() -> None:
    found = BounceEvent.objects.for_address("user@example.jp")

    assert_type(found.first(), BounceEvent | None)
    assert_type(found.occurred_between()[0], BounceEvent)
    assert_type(found.order_by("pk").last(), BounceEvent | None)
    for event in found:
        assert_type(event.mail, Mail)
        assert_type(event.bounce_class, BounceClass)


def other_rows() -> None:
    assert_type(BlockEvent.objects.for_address("user@example.jp").last(), BlockEvent | None)
    assert_type(BlockEvent.objects.occurred_between()[0], BlockEvent)
    assert_type(Notification.objects.received_between().first(), Notification | None)
    assert_type(Notification.objects.filter(event_type="bounces")[0], Notification)
    assert_type(RejectedEvent.objects.filter(resolved_at=None).first(), RejectedEvent | None)
    assert_type(PendingSignal.objects.filter(state="dead")[0], PendingSignal)
    assert_type(Suppression.objects.filter(kind="blocked").last(), Suppression | None)


def of_one_mail(mail: Mail) -> None:
    assert_type(mail.delivery_events.order_by("-pk").first(), DeliveryEvent | None)
    assert_type(mail.bounce_events.all()[0], BounceEvent)
    for event in mail.delivery_events.all():
        assert_type(event, DeliveryEvent)
    assert_type(history.timeline(mail), list[DeliveryEvent | BounceEvent])
    assert_type(bounce_class("1"), BounceClass)
    print(DeliveryStatus.SUCCEEDED, BounceClass.HARD)
