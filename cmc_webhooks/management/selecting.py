"""The filters of commands that act on signals, by the events and mails that these are about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cmc_webhooks.event_types import EVENT_TYPES
from cmc_webhooks.management import options
from cmc_webhooks.reprocessing.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.core.management import CommandParser

__all__ = ["ABOUT_MAILS", "add_filters", "names", "selected"]

ABOUT_MAILS = ("--status", "--address", "--mail", "--event", "--message-id")
"""Filters that hold for events that were stored, and not for rejected ones."""
_ALL = ("--since", "--until", *ABOUT_MAILS, "--composition")


def add_filters(parser: CommandParser) -> None:
    """Add the filters to the parser, except for `--type`, whose values differ."""
    options.add_filters(parser, *_ALL)


def selected(chosen: Mapping[str, Any]) -> Selection:
    """Return the selection that the chosen filters describe."""
    return Selection(
        since=chosen["since"],
        until=chosen["until"],
        status=chosen["status"],
        address=chosen["address"],
        server_composition=chosen["composition"],
        message_id=chosen["message_id"],
        mail=chosen["mail"],
        event=chosen["event"],
        event_types=(chosen["type"],) if chosen["type"] else tuple(EVENT_TYPES),
    )


def names(chosen: Mapping[str, Any]) -> list[str]:
    """Return the names of the filters that were given. Their values may be personal data."""
    given = (option.removeprefix("--") for option in (*_ALL, "--type"))
    return [name for name in given if chosen[name.replace("-", "_")] is not None]
