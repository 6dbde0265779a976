"""The change feed: what changed, in an order that a copy can follow."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from cmc_webhooks.models.querysets import NAME_LENGTH
from cmc_webhooks.timezones import format_local

__all__ = ["Change", "FeedHead"]


class Change(models.Model):
    """A row that changed, written in the transaction that changed it if `CHANGE_FEED` is on.

    `seq` is its number in the feed. It is None until the transaction is committed and the row is numbered,
    so the numbers below a number that was seen are all there. `key` is the primary key of the mail, the block
    event or the suppression; of a deleted row, the key that it had.
    """

    class Kinds(models.TextChoices):
        MAIL = "mail", _("mail")
        BLOCK = "block", _("block event")
        SUPPRESSION = "suppression", _("suppression")
        ERASED = "erased", _("erased mail")
        DELETED = "deleted", _("deleted")

    id = models.BigAutoField(primary_key=True)
    seq = models.BigIntegerField(_("number"), null=True, unique=True)
    kind = models.CharField(_("type"), max_length=16, choices=Kinds.choices)
    key = models.UUIDField(_("key"))
    server_composition = models.CharField(_("server composition"), max_length=NAME_LENGTH)
    at = models.DateTimeField(_("changed at"))

    class Meta:
        verbose_name = _("change")
        verbose_name_plural = _("changes")

    def __str__(self) -> str:
        return f"{self.kind}, {format_local(self.at)}"


class FeedHead(models.Model):
    """The end of the change feed, one row.

    `seq` is the highest number so far. `trimmed` is the highest number that retention deleted. `epoch` is a
    random text that cursors carry: they are valid in their epoch only.
    """

    id = models.PositiveSmallIntegerField(primary_key=True)
    epoch = models.CharField(max_length=16)
    seq = models.BigIntegerField(default=0)
    trimmed = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = _("end of the change feed")
        verbose_name_plural = _("end of the change feed")

    def __str__(self) -> str:
        return f"{self.epoch}.{self.seq}"
