"""What receivers have still to be told."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

__all__ = ["PendingSignal"]


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
        return f"{len(self.items)} × {self.get_state_display()}"

    @property
    def facts(self) -> list[dict[str, Any]]:
        """The calls with the names of `ITEM`, and their keys as people write them."""
        facts = [dict(zip(self.ITEM, item, strict=False)) for item in self.items]
        for fact in facts:
            fact |= {name: str(UUID(fact[name])) for name in ("event", "mail") if fact.get(name)}
        return facts
