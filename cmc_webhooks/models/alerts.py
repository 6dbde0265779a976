"""Alerts, the messages that report them, and the time of the last check."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from cmc_webhooks.models.querysets import NAME_LENGTH

__all__ = ["Alert", "AlertLook", "AlertMessage"]


class Alert(models.Model):
    """An alert, with the numbers of the last check that still found its cause.

    `key` is derived from what the alert is about. `open_key` is the same until the alert is resolved, then
    NULL, so that one cause has one open alert. `text` is the sentence of a problem; that of a rate is made
    from `numbers`. `answer` is the commonest answer of the servers, without addresses.
    """

    class Kinds(models.TextChoices):
        RATE = "rate", _("refused mails")
        SILENCE = "silence", _("silence")
        DEAD = "dead", _("dead signals")
        REJECTED = "rejected", _("events that could not be read")
        REFUSED = "refused", _("refused requests")
        FUTURE = "future", _("receipts in the future")

    id = models.UUIDField(primary_key=True, editable=False)
    key = models.UUIDField(editable=False)
    open_key = models.UUIDField(null=True, unique=True, editable=False)
    kind = models.CharField(_("kind"), max_length=16, choices=Kinds.choices)
    server_composition = models.CharField(_("server composition"), max_length=NAME_LENGTH)
    bounce_class = models.CharField(_("bounce class"), max_length=16)
    domain = models.CharField(_("domain"), max_length=NAME_LENGTH)
    numbers = models.JSONField(_("numbers"), default=dict)
    text = models.TextField(_("problem"))
    answer = models.TextField(_("commonest answer"))
    raised_at = models.DateTimeField(_("raised at"))
    last_seen_at = models.DateTimeField(_("last seen at"))
    resolved_at = models.DateTimeField(_("resolved at"), null=True)
    acknowledged_at = models.DateTimeField(_("acknowledged at"), null=True)
    acknowledged_by = models.CharField(_("acknowledged by"), max_length=NAME_LENGTH)

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        permissions = [("acknowledge_alert", _("Can acknowledge alerts"))]
        indexes = [
            models.Index(fields=["last_seen_at"], name="cmc_alert_seen"),
            models.Index(fields=["raised_at", "id"], name="cmc_alert_raised"),
        ]

    def __str__(self) -> str:
        return self.sentence

    @property
    def sentence(self) -> str:
        """Return what is wrong, in the active language."""
        if self.kind != self.Kinds.RATE:
            return self.text
        values = {
            "mails": self.numbers.get("mails", 0),
            "refused": self.numbers.get("refused", 0),
            "usual": percentage(self.numbers.get("usual", 0.0)),
            "domain": self.domain,
            "composition": self.server_composition or "-",
            "class": self.bounce_class,
        }
        return _template(self, values["mails"]) % values


def _template(alert: Alert, mails: int) -> str:
    if alert.domain:
        return ngettext(
            "%(domain)s refused %(refused)d of %(mails)d mail in the past 24 hours (usual: %(usual)s).",
            "%(domain)s refused %(refused)d of %(mails)d mails in the past 24 hours (usual: %(usual)s).",
            mails,
        )
    if alert.bounce_class == "failed":
        return gettext(
            "%(refused)d of %(mails)d mails of server composition %(composition)s failed in the past 24 hours"
            " (usual: %(usual)s)."
        )
    if alert.bounce_class:
        return gettext(
            "%(refused)d of %(mails)d mails of server composition %(composition)s bounced with class"
            " %(class)s in the past 24 hours (usual: %(usual)s)."
        )
    return gettext(
        "%(refused)d of %(mails)d mails of server composition %(composition)s were refused in the past"
        " 24 hours (usual: %(usual)s)."
    )


def percentage(rate: Any) -> str:
    """Return a rate as a percentage, with one decimal below ten."""
    number = 100 * float(rate)
    return f"{number:.0f} %" if number >= 10 else f"{number:.1f} %".replace(".0 ", " ")


class AlertMessage(models.Model):
    """One message about an alert: an event (raised, resolved) on one channel. It is sent once.

    A process that sends it claims it until `claimed_until`. The primary key is made of alert, event and
    channel.
    """

    class Events(models.TextChoices):
        RAISED = "raised", _("raised")
        RESOLVED = "resolved", _("resolved")

    class Channels(models.TextChoices):
        SIGNAL = "signal", _("signal")
        MAIL = "mail", _("mail")
        SLACK = "slack", _("Slack")

    id = models.UUIDField(primary_key=True, editable=False)
    alert = models.ForeignKey(
        Alert, verbose_name=_("alert"), on_delete=models.CASCADE, related_name="messages"
    )
    event = models.CharField(_("event"), max_length=16, choices=Events.choices)
    channel = models.CharField(_("channel"), max_length=16, choices=Channels.choices)
    created_at = models.DateTimeField(_("created at"))
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    claimed_until = models.DateTimeField(null=True, editable=False)
    sent_at = models.DateTimeField(_("sent at"), null=True)
    last_error = models.CharField(_("last error"), max_length=255)

    class Meta:
        verbose_name = _("alert message")
        verbose_name_plural = _("alert messages")

    def __str__(self) -> str:
        return f"{self.get_channel_display()}: {self.get_event_display()}"


class AlertLook(models.Model):
    """The only row: when a process last checked for alerts, and until when one claims the next check."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, editable=False)
    looked_at = models.DateTimeField(null=True, editable=False)
    rates_at = models.DateTimeField(null=True, editable=False)
    claimed_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("alert check")
        verbose_name_plural = _("alert checks")

    def __str__(self) -> str:
        return str(self.looked_at or "-")
