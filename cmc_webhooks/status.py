"""The status of a mail: delivery statuses, and which of two supersedes the other. Pure.

Source: https://smtps.jp/docs-en/apiv2/te/deliveries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from cmc_webhooks import wire
from cmc_webhooks.bounce_codes import BounceClass, bounce_class

if TYPE_CHECKING:
    from uuid import UUID

__all__ = ["BOUNCED", "BounceClass", "DeliveryStatus", "State", "bounce_class", "merge"]


class DeliveryStatus(TextChoices):
    """The delivery statuses that CMC documents. Others are stored as sent."""

    QUEUED = "queued", _("accepted by CMC")
    DEFERRED = "deferred", _("deferred, to be resent")
    SUCCEEDED = "succeeded", _("delivered to the recipient's server")
    FAILED = "failed", _("not delivered")


BOUNCED = "bounced"


_PHASES: dict[str, int] = {
    DeliveryStatus.QUEUED: 1,
    DeliveryStatus.DEFERRED: 2,
    DeliveryStatus.SUCCEEDED: 3,
    DeliveryStatus.FAILED: 3,
}


class State(NamedTuple):
    """The winning delivery and the winning bounce of one mail: all that merging later events needs."""

    delivery_status: str = ""
    delivery_key: UUID | None = None
    bounce_code: str = ""
    bounce_key: UUID | None = None

    @property
    def status(self) -> str:
        """Return `bounced` if there is a bounce, else the delivery status; "" before the first event."""
        return self.delivery_status if self.bounce_key is None else BOUNCED

    @property
    def phase(self) -> int:
        """Return the progress of the delivery: 0 unknown, 1 queued, 2 deferred, 3 final; 4 after a bounce."""
        return _PHASES.get(self.delivery_status, 0) if self.bounce_key is None else max(_PHASES.values()) + 1

    @property
    def deciding_key(self) -> UUID | None:
        """Return the key of the event that `status` comes from; None before the first event."""
        return self.bounce_key or self.delivery_key


_NOTHING = State()


def merge(one: State, other: State) -> State:
    """Return the state that results from the events of both, in whichever order they came.

    Each side of it is a maximum: commutative, associative and idempotent, so order, batching and repeats do
    not matter. Phase is compared before time: the clocks of CMC's hosts differ by a second, and samples have
    `queued` and a refusal in the same second.
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
