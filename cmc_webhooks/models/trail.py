"""Records of what was done with personal data, of decisions about addresses, and of dismissals."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from cmc_webhooks.timezones import format_local

__all__ = ["Trail"]


class Trail(models.Model):
    """One thing that a person did: what, by whom, when, why, and with how many rows.

    It is about personal data, about an address, or about signals and events that need an operator.

    It names nobody whose data it was. `address_hash` is a keyed hash of the address, see `audit`. `who` is
    the key of a user, or the login name under which a command ran. `rows` is None until it is done: it still
    runs, or its process ended. The primary key is ours and begins with the time.
    """

    class Actions(models.TextChoices):
        ERASED = "erased", _("personal data erased")
        DISCLOSED = "disclosed", _("personal data disclosed")
        EXPORTED = "exported", _("list exported")
        BLOCKED = "blocked", _("address blocked")
        RELEASED = "released", _("address released")
        FORGOTTEN = "forgotten", _("decision withdrawn")
        LIFTED = "lifted", _("removed from CMC's list")
        REDELIVERED = "redelivered", _("signals sent again")
        DISMISSED = "dismissed", _("dismissed")
        CLOCK = "clock", _("receipts in the future accepted")
        REFUSED = "refused", _("refused requests accepted")
        ACKNOWLEDGED = "acknowledged", _("alert acknowledged")

    class Ways(models.TextChoices):
        ADMIN = "admin", _("admin")
        API = "api", _("API")
        COMMAND = "command", _("command")
        PYTHON = "python", _("program")

    id = models.UUIDField(primary_key=True, editable=False)
    at = models.DateTimeField(_("time"))
    what = models.CharField(_("action"), max_length=32, choices=Actions.choices)
    via = models.CharField(_("way"), max_length=16, choices=Ways.choices)
    who = models.CharField(_("done by"), max_length=255)
    reason = models.CharField(_("reason given"), max_length=255)
    rows = models.PositiveIntegerField(_("number of rows"), null=True)
    address_hash = models.CharField(_("hash of the address"), max_length=64)
    details = models.JSONField(_("details"), default=dict)

    class Meta:
        verbose_name = _("audit record")
        verbose_name_plural = _("audit records")
        indexes = [models.Index(fields=["address_hash", "id"], name="cmc_trail_address")]

    def __str__(self) -> str:
        return f"{self.get_what_display()}, {format_local(self.at)}"
