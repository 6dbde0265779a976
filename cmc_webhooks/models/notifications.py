"""Received notifications as counts, and their events that could not be stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cmc_webhooks.models.querysets import NotificationQuerySet
from cmc_webhooks.timezones import format_local

if TYPE_CHECKING:
    from datetime import datetime

    from cmc_webhooks.models.querysets import NotificationManager

__all__ = ["IS_OPEN", "Notification", "RejectedEvent"]

IS_OPEN = Q(resolved_at=None, dismissed_at=None)
"""The condition for rejected events that nobody has dealt with: these count as a problem."""


class Notification(models.Model):
    """The counts of events that came together, without body, headers and API key.

    The primary key is ours and begins with the time of receipt. `source` says how the events came: by a POST
    that was answered 200, by a request of `cmc_backfill`, or as a rejected event that was reprocessed.
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
    rejected = models.PositiveIntegerField(_("not readable"))

    objects: ClassVar[NotificationManager] = NotificationQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("webhook notification")
        verbose_name_plural = _("webhook notifications")
        indexes = [
            models.Index(fields=["source", "received_at"], name="cmc_notification_source"),
            models.Index(fields=["event_type", "id"], name="cmc_notification_type"),
            models.Index(fields=["server_composition", "id"], name="cmc_notification_compo"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type}, {format_local(self.received_at)}"

    @classmethod
    def last_posted(cls, using: str) -> datetime | None:
        """Return the stored time of CMC's last POST, None if there is none. Reads one row of an index.

        Notifications from other sources, however many came since, add no work.
        """
        # Ordered by time, not by key: the key's index has no source, so planners would walk it past all that
        # came from other sources since
        posted = cls._default_manager.using(using).filter(source=cls.Sources.WEBHOOK)
        return posted.order_by("-received_at").values_list("received_at", flat=True).first()


class RejectedEvent(models.Model):
    """One event that could not be stored, quarantined as text so that a later version can reprocess it.

    `error` names its place, such as `event.deliveries[3]`. `position` is the number in that place. It is open
    until it is resolved, or until a person dismisses it: `dismissal` is then the key of the `Trail` record
    with who and why. A dismissed event keeps its text, so it can still be reprocessed.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    event_type = models.CharField(_("event type"), max_length=64)
    server_composition = models.CharField(_("server composition"), max_length=255)
    received_at = models.DateTimeField(_("received at"))
    position = models.PositiveIntegerField(_("position"))
    raw = models.TextField(_("as received"))
    error = models.TextField(_("error"))
    resolved_at = models.DateTimeField(_("resolved at"), null=True)
    dismissed_at = models.DateTimeField(_("dismissed at"), null=True)
    dismissal = models.UUIDField(_("record of the dismissal"), null=True, editable=False)

    class Meta:
        verbose_name = _("event that could not be read")
        verbose_name_plural = _("events that could not be read")
        permissions = [
            ("retry_rejectedevent", _("Can read an event again")),
            ("dismiss_rejectedevent", _("Can dismiss an event that could not be read")),
        ]
        indexes = [
            models.Index(fields=["resolved_at", "dismissed_at"], name="cmc_rejected_open"),
            models.Index(fields=["received_at", "id"], name="cmc_rejected_received"),
            models.Index(fields=["event_type", "received_at", "id"], name="cmc_rejected_type"),
            models.Index(fields=["server_composition", "received_at", "id"], name="cmc_rejected_composition"),
        ]

    def __str__(self) -> str:
        return self.error
