"""Manual decisions about addresses, in addition to the outcomes of their mails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from cmc_webhooks.models.querysets import ADDRESS_LENGTH, NAME_LENGTH
from cmc_webhooks.timezones import format_local

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["DECIDED", "Suppression"]


class Suppression(models.Model):
    """What was decided about an address, for one server composition or for all of them ("").

    Only this table is edited by people; history is not. `blocked` and `released` are a person's decisions.
    `kept` is a reason that suppressed the address when its personal data was erased. `lifted` records that
    CMC's own entry was removed at CMC. For these two `reason` says which.

    The primary key is a hash, see `wire.decision_key`, so that a decision outlives the erasure of the
    address. `address_key` is the hash of the address alone: it finds all decisions about it. `until` is the
    end of a block or of what is kept, None if it has no end. `forgiven_until` is the time, by CMC's clock, of
    the latest outcome known at a release or at a lift: only a newer one counts again. `since` is the time, by
    CMC's clock, of the outcome that is kept. `author` is the key of a user, or a login name.
    """

    class Kinds(models.TextChoices):
        BLOCKED = "blocked", _("blocked")
        RELEASED = "released", _("released")
        KEPT = "kept", _("kept at an erasure")
        LIFTED = "lifted", _("lifted at CMC")

    class Reasons(models.TextChoices):
        BY_HAND = "by_hand", _("blocked by hand")
        HARD = "hard", _("invalid address")
        BLOCKED = "blocked", _("blocked at CMC")
        UNSUBSCRIBED = "unsubscribed", _("unsubscribed at CMC")
        SOFT = "soft", _("temporary problems in a row")

    at_cmc: tuple[Any, ...] = ()
    """What CMC still refuses, on the row that `suppression.release` returns. Not stored."""

    id = models.UUIDField(primary_key=True, editable=False)
    address_key = models.UUIDField(editable=False)
    address = models.CharField(_("address"), max_length=ADDRESS_LENGTH)
    server_composition = models.CharField(
        _("server composition"),
        max_length=NAME_LENGTH,
        blank=True,
        default="",
        help_text=_("The server composition that it is about. Leave it empty for all of them."),
    )
    kind = models.CharField(
        _("type"),
        max_length=16,
        choices=Kinds.choices,
        help_text=_("Blocked: no mail is sent. Released: earlier bounces are ignored, mail is sent again."),
    )
    reason = models.CharField(
        _("reason"), max_length=16, choices=Reasons.choices, blank=True, default="", editable=False
    )
    since = models.DateTimeField(_("since"), null=True, editable=False)
    until = models.DateTimeField(
        _("until"),
        null=True,
        blank=True,
        help_text=_("When the block ends. Leave it empty for a block without an end."),
    )
    forgiven_until = models.DateTimeField(_("bounces ignored until"), null=True, editable=False)
    note = models.CharField(_("note"), max_length=255, blank=True)
    author = models.CharField(_("recorded by"), max_length=255, default="", editable=False)
    decided_at = models.DateTimeField(_("recorded at"), editable=False)

    class Meta:
        verbose_name = _("suppression")
        verbose_name_plural = _("suppressions")
        permissions = [("lift_suppression", _("Can remove an address from CMC's own lists"))]
        indexes = [
            models.Index(fields=["decided_at", "id"], name="cmc_suppression_decided"),
            models.Index(fields=["address_key"], name="cmc_suppression_key"),
            models.Index(fields=["address", "id"], name="cmc_suppression_address"),
        ]

    def __str__(self) -> str:
        # No address: the admin writes this text to its log, which erasure does not reach
        return f"{self.get_kind_display()}, {format_local(self.decided_at)}"


DECIDED: Iterable[str] = (Suppression.Kinds.BLOCKED, Suppression.Kinds.RELEASED)
"""The kinds of rows that are a person's decision: one row for each address and server composition."""
