"""What came in: each POST as counts, and what of it could not be stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.utils.translation import gettext_lazy as _

from cmc_webhooks.models.words import shown
from cmc_webhooks.querysets import NotificationQuerySet

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Notification", "RejectedEvent"]


class Notification(models.Model):
    """Events that came together, as counts: no body, no header, no key. Keys are ours, time first.

    `source` says how: by a POST that was answered 200, by a request of `cmc_backfill`, or as a rejected event
    that was read again.
    """

    class Sources(models.TextChoices):
        WEBHOOK = "webhook", _("webhook")
        REST = "rest", _("REST API")
        RETRY = "retry", _("read again")

    id = models.UUIDField(primary_key=True, editable=False)
    received_at = models.DateTimeField(_("received at"))
    source = models.CharField(_("source"), max_length=8, choices=Sources.choices, default=Sources.WEBHOOK)
    event_type = models.CharField(_("event type"), max_length=64)
    server_composition = models.CharField(_("server composition"), max_length=255)
    new = models.PositiveIntegerField(_("new"))
    repeated = models.PositiveIntegerField(_("repeated"))
    rejected = models.PositiveIntegerField(_("rejected"))

    objects = NotificationQuerySet.as_manager()

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        indexes = [models.Index(fields=["source", "received_at"], name="cmc_notification_source")]

    def __str__(self) -> str:
        return f"{self.event_type}, {shown(self.received_at)}"

    @classmethod
    def last_posted(cls, using: str) -> datetime | None:
        """When CMC posted last, as stored; None if it never did. One row of an index, whatever came since."""
        # By the time and not by the key, whose index knows no source: planners would walk it past what came
        posted = cls._default_manager.using(using).filter(source=cls.Sources.WEBHOOK)
        return posted.order_by("-received_at").values_list("received_at", flat=True).first()


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
        indexes = [
            models.Index(fields=["resolved_at"], name="cmc_rejected_resolved"),
            models.Index(fields=["received_at", "id"], name="cmc_rejected_received"),
        ]

    def __str__(self) -> str:
        return self.error
