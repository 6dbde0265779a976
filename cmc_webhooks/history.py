"""Reads across tables: all that happened to one mail, and to those beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmc_webhooks import wire

if TYPE_CHECKING:
    from cmc_webhooks.models import BounceEvent, DeliveryEvent, Mail

__all__ = ["MOST_EVENTS", "other_mails", "other_recipients", "timeline"]

MOST_EVENTS = 500
"""Events of each kind that a time line holds, the latest."""


def timeline(mail: Mail) -> list[DeliveryEvent | BounceEvent]:
    """The deliveries and bounces of a mail, merged, oldest first by CMC's clock; two statements.

    Where two share a second, a delivery stands before a bounce, and a mail's way is in its natural order.
    """
    events: list[DeliveryEvent | BounceEvent] = [
        *mail.delivery_events.order_by("-pk")[:MOST_EVENTS],
        *mail.bounce_events.order_by("-pk")[:MOST_EVENTS],
    ]
    return sorted(events, key=lambda event: (event.occurred_at, event.state.phase, event.pk))


def other_recipients(mail: Mail, limit: int) -> list[Mail]:
    """Mails of the same message to other recipients, at most `limit`; neighbours by primary key."""
    bare = wire.bare_message_id(mail.message_id)
    if not bare:
        return []
    mails = type(mail).objects.using(mail._state.db).exclude(pk=mail.pk)
    near = mails.filter(pk__range=wire.message_range(bare)).order_by("pk")[:limit]
    return [each for each in near if wire.bare_message_id(each.message_id) == bare]


def other_mails(mail: Mail, limit: int) -> list[Mail]:
    """The latest other mails to the same address, at most `limit`."""
    if not mail.address:
        return []
    mails = type(mail).objects.using(mail._state.db).exclude(pk=mail.pk).for_address(mail.recipient)
    return list(mails.order_by("-created_at", "-pk")[:limit])
