"""Counts that are stored beside the mails, so that no page has to count mails."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

__all__ = ["DomainCount", "MailCount"]


class MailCount(models.Model):
    """One shard of the number of mails of one day and composition with one status and bounce class.

    The number is the sum over all shards. One shard alone may be negative. A writer takes any shard, so that
    writers do not wait for each other, and updates it in the transaction that changes the mails. `day` is
    that of `Mail.created_at` in the project's TIME_ZONE. `bounce_class` is that of the winning bounce, "" if
    there is none.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    day = models.DateField(_("day"))
    server_composition = models.CharField(_("server composition"), max_length=255)
    status = models.CharField(_("status"), max_length=32)
    bounce_class = models.CharField(_("bounce class"), max_length=16)
    shard = models.PositiveSmallIntegerField(_("shard"))
    number = models.BigIntegerField(_("number"))
    changed_at = models.DateTimeField(_("changed at"))

    class Meta:
        verbose_name = _("mail count")
        verbose_name_plural = _("mail counts")
        indexes = [models.Index(fields=["day"], name="cmc_count_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.status} {self.number}"


class DomainCount(models.Model):
    """The mails of one day and composition to one recipient domain, rolled up by periodic maintenance.

    The domains with most mails have a row each. All others share the row with domain "", which always exists
    and whose `rolled_up_at` is the time as of which the day was rolled up. `latencies` are numbers of mails
    by the time from their first event to `succeeded`, see `statistics.histogram.EDGES`.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    day = models.DateField(_("day"))
    server_composition = models.CharField(_("server composition"), max_length=255)
    domain = models.CharField(_("domain"), max_length=255)
    mails = models.PositiveBigIntegerField(_("mails"))
    succeeded = models.PositiveBigIntegerField(_("succeeded"))
    failed = models.PositiveBigIntegerField(_("failed"))
    bounced = models.PositiveBigIntegerField(_("bounced"))
    latencies = models.JSONField(_("latencies"), default=list)
    rolled_up_at = models.DateTimeField(_("as of"))

    class Meta:
        verbose_name = _("domain count")
        verbose_name_plural = _("domain counts")
        indexes = [models.Index(fields=["day"], name="cmc_domain_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.domain} {self.mails}"
