"""What people have decided about addresses, over and above what their mails told."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from cmc_webhooks.models.words import shown
from cmc_webhooks.querysets import ADDRESS_LENGTH

__all__ = ["Suppression"]


class Suppression(models.Model):
    """An address that is blocked or released by hand. The one table that people write; history is not.

    The primary key is a hash of the address, see `wire.address_key`, so that a block outlives the erasure of
    the address. `until` ends a block; None: it has no end. `forgiven_until` is, by CMC's clock, the latest
    outcome that a release knew of: only a newer bounce forbids again.
    """

    class Kinds(models.TextChoices):
        BLOCKED = "blocked", _("blocked")
        RELEASED = "released", _("released")

    id = models.UUIDField(primary_key=True, editable=False)
    address = models.CharField(_("address"), max_length=ADDRESS_LENGTH)
    kind = models.CharField(
        _("decision"),
        max_length=16,
        choices=Kinds.choices,
        help_text=_("Blocked: nothing is sent to it. Released: what was told before does not count."),
    )
    until = models.DateTimeField(
        _("until"), null=True, blank=True, help_text=_("The end of a block. Empty: it has none.")
    )
    forgiven_until = models.DateTimeField(_("forgiven up to"), null=True, editable=False)
    note = models.CharField(_("note"), max_length=255, blank=True)
    decided_at = models.DateTimeField(_("decided at"), editable=False)

    class Meta:
        verbose_name = _("suppression")
        verbose_name_plural = _("suppressions")
        indexes = [models.Index(fields=["decided_at", "id"], name="cmc_suppression_decided")]

    def __str__(self) -> str:
        # No address: this text goes into the admin's log, which erasing does not reach
        return f"{self.get_kind_display()}, {shown(self.decided_at)}"
