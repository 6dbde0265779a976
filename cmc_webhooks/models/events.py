"""Events of a mail, and of a blocked address."""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from cmc_webhooks.bounce_codes import BounceClass, bounce_class
from cmc_webhooks.models.mails import Mail
from cmc_webhooks.models.notifications import Notification
from cmc_webhooks.models.querysets import (
    ADDRESS_LENGTH,
    NAME_LENGTH,
    USUAL_STATUSES,
    BlockEventQuerySet,
    DeliveryEventQuerySet,
    MailEventQuerySet,
)
from cmc_webhooks.status import State
from cmc_webhooks.timezones import format_local

if TYPE_CHECKING:
    from uuid import UUID

    from cmc_webhooks.models.querysets import BlockEventManager, BounceEventManager, DeliveryEventManager

__all__ = ["BlockEvent", "BounceEvent", "DeliveryEvent", "MailEvent"]


class Event(models.Model):
    """The common base of all kinds of events. The primary key is the event key, see `wire.event_key`.

    `occurred_at` is CMC's time, or the time of receipt if CMC sent no usable one. `received_at` is ours.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    notification = models.ForeignKey(
        Notification,
        verbose_name=_("webhook notification"),
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
    """The common base of deliveries and bounces.

    `extra` holds, by CMC's names, the values that have no column, that differ from the mail's, or that were
    cut to fit their column.
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
        """Return the state of the mail according to this event alone."""
        raise NotImplementedError

    @property
    def message_id(self) -> str:
        return self.mail.message_id

    @property
    def recipient(self) -> str:
        return self.mail.recipient


class DeliveryEvent(MailEvent):
    """One step in the delivery of a mail: queued, deferred, handed over, refused."""

    mail: models.ForeignKey[Mail, Mail] = models.ForeignKey(
        Mail, verbose_name=_("mail"), on_delete=models.CASCADE, related_name="delivery_events", db_index=False
    )
    status = models.CharField(_("status"), max_length=32)
    source_ip = models.CharField(_("source IP (you to CMC)"), max_length=64)
    sender_ip = models.CharField(_("sending IP (CMC to recipient)"), max_length=64)

    objects: ClassVar[DeliveryEventManager] = DeliveryEventQuerySet.as_manager()  # type: ignore[assignment]

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
        return f"{self.status}, {format_local(self.occurred_at)}"

    @property
    def state(self) -> State:
        return State(delivery_status=self.status, delivery_key=self.id)


class BounceEvent(MailEvent):
    """An error reported by a server or a returned mail, possibly after the mail was handed over."""

    mail: models.ForeignKey[Mail, Mail] = models.ForeignKey(
        Mail, verbose_name=_("mail"), on_delete=models.CASCADE, related_name="bounce_events", db_index=False
    )
    bounce_code = models.CharField(_("bounce code"), max_length=32)

    objects: ClassVar[BounceEventManager] = MailEventQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("bounce")
        verbose_name_plural = _("bounces")
        indexes = [
            models.Index(fields=["mail"], name="cmc_bounce_mail"),
            models.Index(fields=["received_at"], name="cmc_bounce_received"),
            models.Index(fields=["bounce_code", "id"], name="cmc_bounce_code"),
        ]

    def __str__(self) -> str:
        return f"bounce {self.bounce_code}, {format_local(self.occurred_at)}"

    @property
    def state(self) -> State:
        return State(bounce_code=self.bounce_code, bounce_key=self.id)

    @property
    def bounce_class(self) -> BounceClass:
        return bounce_class(self.bounce_code)


class BlockEvent(Event):
    """An operation on CMC's list of blocked addresses (Pro plan). It does not belong to a mail.

    CMC keeps a list for each server composition.
    """

    server_composition = models.CharField(_("server composition"), max_length=NAME_LENGTH)
    address = models.CharField(_("address"), max_length=ADDRESS_LENGTH)
    bounce_code = models.CharField(_("bounce code"), max_length=32)
    occurrences = models.CharField(_("occurrences"), max_length=32)
    raw = models.JSONField(_("as received"), default=dict)

    objects: ClassVar[BlockEventManager] = BlockEventQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("block event")
        verbose_name_plural = _("block events")
        indexes = [
            models.Index(fields=["address", "id"], name="cmc_block_address"),
            models.Index(fields=["received_at"], name="cmc_block_received"),
            models.Index(fields=["bounce_code", "id"], name="cmc_block_code"),
        ]

    def __str__(self) -> str:
        return f"{self.address}, {format_local(self.occurred_at)}"
