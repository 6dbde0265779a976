"""The outbox: signals that are pending or dead."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

__all__ = ["PendingSignal"]


class PendingSignal(models.Model):
    """Signal calls, pending or dead: written with the events, deleted when the receivers have returned.

    `items` are up to 25 calls, each a list. Those about events are in the order of `ITEM`, without the last
    three for `event_recorded`. Those of the signals in `LIFECYCLE` are in the order that it gives.

    `receivers` are the names of the receivers that were connected when the calls were enqueued, by
    `dispatch.calls.key_of`. `failures` are the same for all calls of a row: each is a dictionary with the
    "receiver" that failed, the class of its "error" and its "place" (file and line). Only these receivers are
    called again. The name "" stands for all receivers without a unique name. `replay` is true for what
    a person has sent again.

    `available_at` is the host's clock in milliseconds since 1970 (UTC). Before it, the row is leased or waits
    for its retry, and no sweep claims it.
    """

    ITEM = ("signal", "event_type", "event", "mail", "old", "new", "version")
    LIFECYCLE = {"address_erased": ("signal", "mails", "address_hash"), "mails_pruned": ("signal", "mails")}

    class States(models.TextChoices):
        PENDING = "pending", _("pending")
        DEAD = "dead", _("dead")

    id = models.UUIDField(primary_key=True, editable=False)
    items = models.JSONField(_("signals"))
    available_at = models.BigIntegerField(_("available at"))
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    state = models.CharField(_("state"), max_length=8, choices=States.choices, default=States.PENDING)
    last_error = models.CharField(_("last error"), max_length=255)
    receivers = models.JSONField(_("receivers"), default=dict)
    failures = models.JSONField(_("failed receivers"), default=list)
    replay = models.BooleanField(_("sent again by a person"), default=False)

    class Meta:
        verbose_name = _("pending signal")
        verbose_name_plural = _("pending signals")
        permissions = [
            ("redeliver_pendingsignal", _("Can send a dead signal again")),
            ("dismiss_pendingsignal", _("Can dismiss a dead signal")),
        ]
        indexes = [models.Index(fields=["state", "available_at"], name="cmc_pending_available")]

    def __str__(self) -> str:
        return f"{len(self.items)} × {self.get_state_display()}"

    @property
    def facts(self) -> list[dict[str, Any]]:
        """Return the calls as dictionaries by the names of their items, with keys as hyphenated UUIDs."""
        facts = [
            dict(zip(self.LIFECYCLE.get(item[0] if item else "", self.ITEM), item, strict=False))
            for item in self.items
        ]
        for fact in facts:
            fact |= {name: str(UUID(fact[name])) for name in ("event", "mail") if fact.get(name)}
            if "mails" in fact:
                fact["mails"] = [str(UUID(key)) for key in fact["mails"]]
        return facts
