"""Cursors of the change feed in requests, and the answers to those that are not valid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework import exceptions

from cmc_webhooks import feed
from cmc_webhooks.db import transactions
from cmc_webhooks.models import Change, routing

if TYPE_CHECKING:
    from django.db.models import QuerySet

__all__ = ["changed_after", "cursor", "state"]


MOST = 10_000
"""Changes behind a cursor that one list of mails is searched for, as a list of keys."""


class FeedIsOff(exceptions.APIException):
    """The project has no change feed."""

    status_code = 404
    default_detail = "The change feed is off: the setting CMC_WEBHOOKS_CHANGE_FEED turns it on."
    default_code = "feed_off"


class Gone(exceptions.APIException):
    """Changes behind the cursor are missing."""

    status_code = 410
    default_code = "gone"


class Unavailable(exceptions.APIException):
    """The database is unavailable."""

    status_code = 503
    default_detail = "The database is unavailable. Please try again."
    default_code = "unavailable"


def state(*, number: bool = True) -> feed.State:
    """Return the end of the feed, see `feed.state`, or raise the answer that says why there is none."""
    try:
        return feed.state(number=number)
    except feed.FeedOff:
        raise FeedIsOff from None
    except transactions.Unavailable:
        raise Unavailable from None


def cursor(name: str, text: str, now: feed.State) -> feed.Cursor:
    """Return the cursor that a parameter holds, or raise the answer that says why it is not valid."""
    try:
        return feed.check(text, now)
    except feed.NotACursor as error:
        raise exceptions.ValidationError({name: [str(error)]}) from None
    except feed.Gone as error:
        raise Gone(str(error)) from None


def changed_after(queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
    """Return the mails that changed after a cursor of the feed, the erased ones included.

    It refuses a cursor that more than 10,000 changes follow: `changes/` leads through them.
    """
    place = cursor(name, value, state(number=False))
    using = routing.write_alias()  # a replica may lack what the cursor has passed
    stored = Change._default_manager.using(using)
    # Those without a number first: they may get one meanwhile
    later = (stored.filter(seq=None), stored.filter(seq__gt=place.seq).order_by("seq"))
    keys = [key for found in later for key in found.values_list("key", flat=True)[: MOST + 1]]
    if len(keys) > MOST:
        raise exceptions.ValidationError({name: [f"More than {MOST:,} changes: follow changes/ instead."]})
    return queryset.using(using).filter(pk__in=set(keys))
