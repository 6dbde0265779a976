"""What is kept of CMC's notifications. Rows are written by `store` alone; see there and in `ingest`."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cmc_webhooks.querysets import ADDRESS_LENGTH, BlockEventQuerySet, MailEventQuerySet, MailQuerySet
from cmc_webhooks.status import BounceClass, State, bounce_class, merge

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

__all__ = [
    "BlockEvent",
    "BounceEvent",
    "DeliveryEvent",
    "Mail",
    "MailEvent",
    "Notification",
    "PendingSignal",
    "RejectedEvent",
]


class Mail(models.Model):
    """One message to one recipient: what does not change between its events, and where it stands now.

    The primary key is made of the message id, the composition and the address, see `wire.mail_key`. Texts
    are the first event's that had them. Times are aware where USE_TZ is on.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    message_id = models.TextField(_("message id"))
    recipient = models.TextField(_("recipient"))
    address = models.CharField(_("address"), max_length=ADDRESS_LENGTH)
    domain = models.CharField(_("domain"), max_length=255)
    header_from = models.TextField(_("header from"))
    return_path = models.TextField(_("return path"))
    subject = models.TextField(_("subject"))
    api_data = models.CharField(_("API data"), max_length=255)
    server_composition = models.CharField(_("server composition"), max_length=255)

    status = models.CharField(_("status"), max_length=32)
    previous_status = models.CharField(_("previous status"), max_length=32)
    delivery_status = models.CharField(_("delivery status"), max_length=32)
    delivery_event_id = models.UUIDField(null=True, editable=False)
    bounce_code = models.CharField(_("bounce code"), max_length=32)
    bounce_event_id = models.UUIDField(null=True, editable=False)
    status_at = models.DateTimeField(_("status at"), null=True)
    reason = models.TextField(_("reason"))
    version = models.PositiveIntegerField(_("version"), default=0)

    created_at = models.DateTimeField(_("first received at"))
    first_event_at = models.DateTimeField(_("first event at"))
    last_event_at = models.DateTimeField(_("last event at"))
    erased_at = models.DateTimeField(_("erased at"), null=True)

    objects = MailQuerySet.as_manager()

    class Meta:
        verbose_name = _("mail")
        verbose_name_plural = _("mails")
        permissions = [("redeliver_mail", _("Can send the signals of a mail again"))]
        indexes = [
            models.Index(fields=["address", "created_at"], name="cmc_mail_address"),
            models.Index(fields=["domain", "created_at"], name="cmc_mail_domain"),
            models.Index(fields=["status", "created_at"], name="cmc_mail_status"),
            models.Index(fields=["created_at", "id"], name="cmc_mail_created"),
            models.Index(fields=["api_data"], name="cmc_mail_api_data", condition=~models.Q(api_data="")),
        ]

    def __str__(self) -> str:
        return f"{self.message_id} → {self.recipient}"

    @property
    def state(self) -> State:
        """The winning events, for `merge`."""
        return State(self.delivery_status, self.delivery_event_id, self.bounce_code, self.bounce_event_id)

    def merge(self, events: Iterable[MailEvent]) -> None:
        """Let the mail know of events of its own that it did not know, as one change of status at most."""
        self.restate(self.state, events)

    def restate(self, known: State, events: Iterable[MailEvent]) -> None:
        """Give the mail the state that follows from `known` and these events of its own."""
        events = list(events)
        after = reduce(merge, [event.state for event in events], known)
        self.delivery_status, self.delivery_event_id, self.bounce_code, self.bounce_event_id = after
        for event in events:
            if event.pk == after.deciding_key:
                self.status_at, self.reason = event.occurred_at, event.reason
            self.first_event_at = min(self.first_event_at, event.occurred_at)
            self.last_event_at = max(self.last_event_at, event.occurred_at)
        if after.status != self.status:
            self.previous_status, self.status = self.status, after.status
            self.version += 1

    @property
    def bounce_class(self) -> str:
        """The class of the winning bounce; "" if there is none."""
        return bounce_class(self.bounce_code) if self.bounce_event_id else ""


class MailEvent(models.Model):
    """What deliveries and bounces share. The primary key is the event key, see `wire.event_key`.

    `occurred_at` is CMC's time, the time of receipt if it sent none; `received_at` is ours. `extra` holds, by
    CMC's names, what has no column, what differs from the mail's, and what was cut to its column.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    if TYPE_CHECKING:
        mail: Mail
        mail_id: UUID
    notification = models.ForeignKey(
        "Notification",
        verbose_name=_("notification"),
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    occurred_at = models.DateTimeField(_("occurred at"))
    received_at = models.DateTimeField(_("received at"))
    reason = models.TextField(_("reason"))
    extra = models.JSONField(_("extra"), default=dict)

    objects = MailEventQuerySet.as_manager()

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

    class Meta:
        verbose_name = _("delivery event")
        verbose_name_plural = _("delivery events")
        indexes = [models.Index(fields=["mail"], name="cmc_delivery_mail")]

    def __str__(self) -> str:
        return f"{self.status}, {_shown(self.occurred_at)}"

    @property
    def state(self) -> State:
        return State(delivery_status=self.status, delivery_key=self.pk)


class BounceEvent(MailEvent):
    """An error told by a server or a returned mail, even after the mail was handed over."""

    mail = models.ForeignKey(
        Mail, verbose_name=_("mail"), on_delete=models.CASCADE, related_name="bounce_events", db_index=False
    )
    bounce_code = models.CharField(_("bounce code"), max_length=32)

    class Meta:
        verbose_name = _("bounce event")
        verbose_name_plural = _("bounce events")
        indexes = [models.Index(fields=["mail"], name="cmc_bounce_mail")]

    def __str__(self) -> str:
        return f"bounce {self.bounce_code}, {_shown(self.occurred_at)}"

    @property
    def state(self) -> State:
        return State(bounce_code=self.bounce_code, bounce_key=self.pk)

    @property
    def bounce_class(self) -> BounceClass:
        return bounce_class(self.bounce_code)


class BlockEvent(models.Model):
    """An operation on CMC's list of blocked addresses (Pro plan); it belongs to no mail."""

    id = models.UUIDField(primary_key=True, editable=False)
    notification = models.ForeignKey(
        "Notification",
        verbose_name=_("notification"),
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    occurred_at = models.DateTimeField(_("occurred at"))
    received_at = models.DateTimeField(_("received at"))
    address = models.CharField(_("address"), max_length=ADDRESS_LENGTH)
    bounce_code = models.CharField(_("bounce code"), max_length=32)
    occurrences = models.CharField(_("occurrences"), max_length=32)
    raw = models.JSONField(_("as sent"), default=dict)

    objects = BlockEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("block event")
        verbose_name_plural = _("block events")

    def __str__(self) -> str:
        return f"{self.address}, {_shown(self.occurred_at)}"


class Notification(models.Model):
    """One POST that was answered 200, as counts: no body, no header, no key. Keys are ours, time first."""

    id = models.UUIDField(primary_key=True, editable=False)
    received_at = models.DateTimeField(_("received at"))
    event_type = models.CharField(_("event type"), max_length=64)
    server_composition = models.CharField(_("server composition"), max_length=255)
    new = models.PositiveIntegerField(_("new"))
    repeated = models.PositiveIntegerField(_("repeated"))
    rejected = models.PositiveIntegerField(_("rejected"))

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")

    def __str__(self) -> str:
        return f"{self.event_type}, {_shown(self.received_at)}"


class RejectedEvent(models.Model):
    """One event that could not be stored, kept as text so that a later version can read it.

    `error` names its place, such as `event.deliveries[3]`; `position` is the number in it.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    event_type = models.CharField(_("event type"), max_length=64)
    server_composition = models.CharField(_("server composition"), max_length=255)
    received_at = models.DateTimeField(_("received at"))
    position = models.PositiveIntegerField(_("position"))
    raw = models.TextField(_("as sent"))
    error = models.TextField(_("error"))
    resolved_at = models.DateTimeField(_("resolved at"), null=True)

    class Meta:
        verbose_name = _("rejected event")
        verbose_name_plural = _("rejected events")
        permissions = [("retry_rejectedevent", _("Can read a rejected event again"))]
        indexes = [models.Index(fields=["resolved_at"], name="cmc_rejected_resolved")]

    def __str__(self) -> str:
        return self.error


class PendingSignal(models.Model):
    """Signal calls that are owed: written with the events, deleted when the receivers have returned.

    `items` are up to 25 calls, each a list by `ITEM` without the last three for `event_recorded`.
    `available_at` is the host's clock in milliseconds since 1970 (UTC): before it, the row belongs to
    whoever leased it.
    """

    ITEM = ("signal", "event_type", "event", "mail", "old", "new", "version")

    class States(models.TextChoices):
        PENDING = "pending", _("pending")
        DEAD = "dead", _("dead")

    id = models.UUIDField(primary_key=True, editable=False)
    items = models.JSONField(_("signals"))
    available_at = models.BigIntegerField(_("available at"))
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    state = models.CharField(_("state"), max_length=8, choices=States.choices, default=States.PENDING)
    last_error = models.CharField(_("last error"), max_length=255)

    class Meta:
        verbose_name = _("pending signal")
        verbose_name_plural = _("pending signals")
        indexes = [models.Index(fields=["state", "available_at"], name="cmc_pending_available")]

    def __str__(self) -> str:
        return f"{len(self.items)} × {self.state}"

    @property
    def facts(self) -> list[dict[str, Any]]:
        """The calls with the names of `ITEM`, and their keys as people write them."""
        facts = [dict(zip(self.ITEM, item, strict=False)) for item in self.items]
        for fact in facts:
            fact |= {name: str(UUID(fact[name])) for name in ("event", "mail") if fact.get(name)}
        return facts


def _shown(moment: datetime) -> str:
    """A moment for people, in the active zone."""
    local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
    return f"{local:%Y-%m-%d %H:%M:%S}"
