"""What is known of a mail: statuses, which of two supersedes the other, bounce classes. Pure.

Statuses: https://smtps.jp/docs-en/apiv2/te/deliveries. Codes: https://smtps.jp/docs-en/apiv2/te/bounces.
CMC gives codes no classes; these are ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from cmc_webhooks import wire

if TYPE_CHECKING:
    from uuid import UUID

__all__ = ["BOUNCED", "BOUNCE_CODES", "BounceClass", "DeliveryStatus", "State", "bounce_class", "merge"]


class DeliveryStatus(TextChoices):
    """The delivery statuses that CMC documents; others are kept as sent."""

    QUEUED = "queued", _("taken by CMC")
    DEFERRED = "deferred", _("deferred, to be resent")
    SUCCEEDED = "succeeded", _("handed over")
    FAILED = "failed", _("refused, or not sent")


BOUNCED = "bounced"


class BounceClass(TextChoices):
    """What a bounce says about writing to that address again."""

    HARD = "hard", _("hard: the address does not exist")
    SOFT = "soft", _("soft: it may work later")
    POLICY = "policy", _("policy: the destination refused the mail")
    MESSAGE = "message", _("message: this mail, not the address")
    SUPPRESSED = "suppressed", _("suppressed: CMC did not send it")
    UNKNOWN = "unknown", _("unknown")


BOUNCE_CODES = {
    "1": (_("unknown host"), BounceClass.HARD),
    "2": (_("unknown user"), BounceClass.HARD),
    "3": (_("retransmission timeout"), BounceClass.SOFT),
    "4": (_("rejection"), BounceClass.POLICY),
    "5": (_("over capacity"), BounceClass.SOFT),
    "6": (_("forward error"), BounceClass.SOFT),
    "7": (_("receiving server error"), BounceClass.SOFT),
    "8": (_("oversized"), BounceClass.MESSAGE),
    "9": (_("address format error"), BounceClass.HARD),
    "10": (_("blocked address"), BounceClass.SUPPRESSED),
    "11": (_("unsubscribed address"), BounceClass.SUPPRESSED),
    "99": (_("others"), BounceClass.UNKNOWN),
}

_PHASES: dict[str, int] = {
    DeliveryStatus.QUEUED: 1,
    DeliveryStatus.DEFERRED: 2,
    DeliveryStatus.SUCCEEDED: 3,
    DeliveryStatus.FAILED: 3,
}


def bounce_class(code: str) -> BounceClass:
    """The class of a code as CMC sends it; `unknown` for any text that is no code of the list."""
    return BOUNCE_CODES[code][1] if code in BOUNCE_CODES else BounceClass.UNKNOWN


class State(NamedTuple):
    """The winning delivery and the winning bounce of one mail: all that later events are merged with."""

    delivery_status: str = ""
    delivery_key: UUID | None = None
    bounce_code: str = ""
    bounce_key: UUID | None = None

    @property
    def status(self) -> str:
        """`bounced` if there is any bounce, else the delivery's word; "" before the first event."""
        return self.delivery_status if self.bounce_key is None else BOUNCED

    @property
    def phase(self) -> int:
        """How far the delivery is: 0 unknown, 1 queued, 2 deferred, 3 at its end; a bounce comes after it."""
        return _PHASES.get(self.delivery_status, 0) if self.bounce_key is None else max(_PHASES.values()) + 1

    @property
    def deciding_key(self) -> UUID | None:
        """The event that `status` comes from."""
        return self.bounce_key or self.delivery_key


_NOTHING = State()


def merge(one: State, other: State) -> State:
    """The state that knows what both know, whichever came first.

    The maximum of each side: commutative, associative and idempotent, so order, batching and repeats do not
    matter. Phase goes before time, since CMC's hosts differ by a second and samples have `queued` and a
    refusal in the same one.
    """
    if one == _NOTHING:
        return other
    delivery = max(one, other, key=_delivery_rank)
    bounce = max(one, other, key=_bounce_rank)
    return State(delivery.delivery_status, delivery.delivery_key, bounce.bounce_code, bounce.bounce_key)


def _delivery_rank(state: State) -> tuple[int, int, bool, int]:
    status, key = state.delivery_status, state.delivery_key
    if key is None:
        return (-1, 0, False, 0)
    return (_PHASES.get(status, 0), wire.key_ms(key), status == DeliveryStatus.FAILED, key.int)


def _bounce_rank(state: State) -> int:
    return -1 if state.bounce_key is None else state.bounce_key.int
