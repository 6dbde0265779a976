"""Queries across tables: the events of one mail, and the mails related to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmc_webhooks import wire

if TYPE_CHECKING:
    from cmc_webhooks.models import BounceEvent, DeliveryEvent, Mail
    from cmc_webhooks.models.querysets import MailQuerySet

__all__ = ["MOST_EVENTS", "other_mails", "other_recipients", "timeline"]

MOST_EVENTS = 500
"""Maximum number of events of each kind on a timeline. The latest ones are shown."""


def timeline(mail: Mail) -> list[DeliveryEvent | BounceEvent]:
    """Return the deliveries and bounces of a mail, merged, oldest first by CMC's clock, with two queries.

    Events with the same time are in the order of delivery (queued, deferred, final), with bounces last.
    """
    events: list[DeliveryEvent | BounceEvent] = [
        *mail.delivery_events.using(mail._state.db).order_by("-pk")[:MOST_EVENTS],
        *mail.bounce_events.using(mail._state.db).order_by("-pk")[:MOST_EVENTS],
    ]
    return sorted(events, key=lambda event: (event.occurred_at, event.state.phase, event.pk))


def other_recipients(mail: Mail, limit: int) -> list[Mail]:
    """Return at most `limit` mails of the same message to other recipients, found by a range of the key."""
    bare = wire.bare_message_id(mail.message_id)
    if not bare:
        return []
    near = _others(mail).filter(pk__range=wire.message_range(bare)).order_by("pk")[:limit]
    return [each for each in near if wire.bare_message_id(each.message_id) == bare]


def other_mails(mail: Mail, limit: int) -> list[Mail]:
    """Return the latest other mails to the same address, at most `limit`."""
    if not mail.address:
        return []
    return list(_others(mail).for_address(mail.recipient).order_by("-created_at", "-pk")[:limit])


def _others(mail: Mail) -> MailQuerySet:
    return type(mail).objects.using(mail._state.db).exclude(pk=mail.pk)
