"""The bounce codes of CMC, and their classes: hard, soft and others. Pure.

Codes: https://smtps.jp/docs-en/apiv2/te/bounces. CMC does not classify them; the classes are defined here.
"""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

__all__ = ["BOUNCE_CODES", "BounceClass", "bounce_class"]


class BounceClass(TextChoices):
    """The classes of bounces, by what they imply for sending to the address again."""

    HARD = "hard", _("invalid address (hard)")
    SOFT = "soft", _("temporary problem (soft)")
    POLICY = "policy", _("refused by the recipient's server (policy)")
    MESSAGE = "message", _("problem with this mail, such as its size")
    SUPPRESSED = "suppressed", _("not sent by CMC (suppressed)")
    UNKNOWN = "unknown", _("unknown")


BOUNCE_CODES = {
    "1": (_("unknown host"), BounceClass.HARD),
    "2": (_("no such mailbox"), BounceClass.HARD),
    "3": (_("retransmission timeout"), BounceClass.SOFT),
    "4": (_("refused by the recipient's server"), BounceClass.POLICY),
    "5": (_("mailbox full"), BounceClass.SOFT),
    "6": (_("forward error"), BounceClass.SOFT),
    "7": (_("receiving server error"), BounceClass.SOFT),
    "8": (_("oversized"), BounceClass.MESSAGE),
    "9": (_("address format error"), BounceClass.HARD),
    "10": (_("blocked address"), BounceClass.SUPPRESSED),
    "11": (_("unsubscribed address"), BounceClass.SUPPRESSED),
    "99": (_("others"), BounceClass.UNKNOWN),
}


def bounce_class(code: str) -> BounceClass:
    """Return the class of a code as CMC sends it, `unknown` for a text that is not a code of the list."""
    return BOUNCE_CODES[code][1] if code in BOUNCE_CODES else BounceClass.UNKNOWN
