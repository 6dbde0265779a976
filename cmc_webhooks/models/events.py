"""What is told of a mail, and of a blocked address."""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import TYPE_CHECKING

from django.db import models
from django.utils.translation import gettext_lazy as _

from cmc_webhooks.models.intake import Notification
from cmc_webhooks.models.mails import Mail
from cmc_webhooks.models.words import shown
from cmc_webhooks.querysets import (
    ADDRESS_LENGTH,
    USUAL_STATUSES,
    BlockEventQuerySet,
    DeliveryEventQuerySet,
    MailEventQuerySet,
)
from cmc_webhooks.status import BounceClass, State, bounce_class

if TYPE_CHECKING:
    from uuid import UUID

__all__ = ["BlockEvent", "BounceEvent", "DeliveryEvent", "MailEvent"]


class Event(models.Model):
    """What all kinds share. The primary key is the event key, see `wire.event_key`.

    `occurred_at` is CMC's time, the time of receipt if it sent none; `received_at` is ours.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    notification = models.ForeignKey(
        Notification,
        verbose_name=_("notification"),
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    occurred_at = models.DateTimeField(_("occurred at"))
    received_at = models.DateTimeField(_("received at"))

    class Meta:
        abstract = True


class MailEvent(Event):
    """What deliveries and bounces share.

    `extra` holds, by CMC's names, what has no column, what differs from the mail's, and what was cut to its
    column.
    """

    if TYPE_CHECKING:
        mail: Mail
        mail_id: UUID
    reason = models.TextField(_("reason"))
    extra = models.JSONField(_("extra"), default=dict)

    class Meta:
        abstract = True

    @property
    def state(self) -> State:
        """What this event alone says of its mail."""
        raise NotImplementedError

    @property
    def message_id(self) -> str:
        return self.mail.message_id

    @property
    def recipient(self) -> str:
        return self.mail.recipient


class DeliveryEvent(MailEvent):
    """One step on a mail's way: queued, deferred, handed over, refused."""

    mail = models.ForeignKey(
        Mail, verbose_name=_("mail"), on_delete=models.CASCADE, related_name="delivery_events", db_index=False
    )
    status = models.CharField(_("status"), max_length=32)
    source_ip = models.CharField(_("source IP"), max_length=64)
    sender_ip = models.CharField(_("sender IP"), max_length=64)

    objects = DeliveryEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("delivery event")
        verbose_name_plural = _("delivery events")
        indexes = [
            models.Index(fields=["mail"], name="cmc_delivery_mail"),
            models.Index(fields=["received_at"], name="cmc_delivery_received"),
            models.Index(
                fields=["status", "id"],
                name="cmc_delivery_unusual",
                condition=reduce(and_, [~models.Q(status=word) for word in USUAL_STATUSES]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status}, {shown(self.occurred_at)}"

    @property
    def state(self) -> State:
        return State(delivery_status=self.status, delivery_key=self.id)


class BounceEvent(MailEvent):
    """An error told by a server or a returned mail, even after the mail was handed over."""

    mail = models.ForeignKey(
        Mail, verbose_name=_("mail"), on_delete=models.CASCADE, related_name="bounce_events", db_index=False
    )
    bounce_code = models.CharField(_("bounce code"), max_length=32)

    objects = MailEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("bounce event")
        verbose_name_plural = _("bounce events")
        indexes = [
            models.Index(fields=["mail"], name="cmc_bounce_mail"),
            models.Index(fields=["received_at"], name="cmc_bounce_received"),
        ]

    def __str__(self) -> str:
        return f"bounce {self.bounce_code}, {shown(self.occurred_at)}"

    @property
    def state(self) -> State:
        return State(bounce_code=self.bounce_code, bounce_key=self.id)

    @property
    def bounce_class(self) -> BounceClass:
        return bounce_class(self.bounce_code)


class BlockEvent(Event):
    """An operation on CMC's list of blocked addresses (Pro plan); it belongs to no mail."""

    address = models.CharField(_("address"), max_length=ADDRESS_LENGTH)
    bounce_code = models.CharField(_("bounce code"), max_length=32)
    occurrences = models.CharField(_("occurrences"), max_length=32)
    raw = models.JSONField(_("as sent"), default=dict)

    objects = BlockEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("block event")
        verbose_name_plural = _("block events")
        indexes = [
            models.Index(fields=["address", "id"], name="cmc_block_address"),
            models.Index(fields=["received_at"], name="cmc_block_received"),
        ]

    def __str__(self) -> str:
        return f"{self.address}, {shown(self.occurred_at)}"
