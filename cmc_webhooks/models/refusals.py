"""Counts of requests that the webhook refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.utils.translation import gettext_lazy as _

from cmc_webhooks.timezones import format_local

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

__all__ = ["RefusalCount"]


class RefusalCount(models.Model):
    """The requests refused in one hour with one HTTP status for one reason.

    Reasons are from a fixed list, so the number of rows an hour is bounded, whatever is sent. `hour` is its
    begin. `first_at` and `last_at` are the times of the first and the last of these requests. The primary key
    is a hash of hour, status and reason.
    """

    class Reasons(models.TextChoices):
        API_KEY = "api_key", _("wrong api_key")
        NO_API_KEY = "no_api_key", _("api_key is missing")
        BASIC = "basic", _("wrong BASIC credentials")
        NO_BASIC = "no_basic", _("BASIC credentials are missing")
        TOKEN = "token", _("wrong Bearer token")
        NO_TOKEN = "no_token", _("the Bearer token is missing")
        NO_SECRET = "no_secret", _("no secret is configured")
        ADDRESS = "address", _("the client is not in ALLOWED_NETWORKS")
        METHOD = "method", _("a method other than POST")
        NO_LENGTH = "no_length", _("no Content-Length")
        TOO_LARGE = "too_large", _("too large")
        TOO_MANY = "too_many", _("too many events")
        ENCODING = "encoding", _("a compressed body")
        CHARSET = "charset", _("an unsupported charset")
        BROKE_OFF = "broke_off", _("the body broke off")
        NOT_OURS = "not_ours", _("not a notification, and no valid secret")
        UNREADABLE = "unreadable", _("a valid secret, but not a notification")
        RECEIVED_MAIL = "received_mail", _("a received mail")
        DATABASE = "database", _("the database was unavailable")
        SETUP = "setup", _("wrong setup")
        FAILED = "failed", _("an unexpected error")

    id = models.UUIDField(primary_key=True, editable=False)
    hour = models.DateTimeField(_("hour"))
    status = models.PositiveSmallIntegerField(_("HTTP status"))
    reason = models.CharField(_("reason"), max_length=16, choices=Reasons.choices)
    number = models.PositiveBigIntegerField(_("number"))
    first_at = models.DateTimeField(_("first"))
    last_at = models.DateTimeField(_("last"))

    class Meta:
        verbose_name = _("count of refused requests")
        verbose_name_plural = _("counts of refused requests")
        indexes = [models.Index(fields=["hour"], name="cmc_refusal_hour")]

    def __str__(self) -> str:
        return f"{format_local(self.hour)} {self.status} {self.reason} {self.number}"


def label(reason: str) -> str | _StrPromise:
    """Return the words for a reason; one that this version does not know as it is."""
    known = RefusalCount.Reasons.values
    return RefusalCount.Reasons(reason).label if reason in known else reason
