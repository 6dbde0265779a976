"""Reads across tables: all that happened to one mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cmc_webhooks.models import BounceEvent, DeliveryEvent, Mail

__all__ = ["timeline"]


def timeline(mail: Mail) -> list[DeliveryEvent | BounceEvent]:
    """The deliveries and bounces of a mail, merged, oldest first by CMC's clock; two statements.

    Where two share a second, a delivery stands before a bounce, and a mail's way is in its natural order.
    """
    events: list[DeliveryEvent | BounceEvent] = [*mail.delivery_events.all(), *mail.bounce_events.all()]
    return sorted(events, key=lambda event: (event.occurred_at, event.state.phase, event.pk))
