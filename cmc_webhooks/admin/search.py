"""What people type into the search box: a whole message id, a whole address, or a whole API data value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmc_webhooks import wire
from cmc_webhooks.querysets import exactly

if TYPE_CHECKING:
    from cmc_webhooks.querysets import MailQuerySet

SEARCH_FIELDS = ("message_id", "address", "api_data")
"""Django shows a search box where an admin names any; it never looks them up itself here."""


def mails_meant(mails: MailQuerySet, typed: str) -> MailQuerySet | None:
    """Those mails that `typed` stands for, found by index, never by a part of a text; None if it is blank.

    API data is looked for only if no message and no address is meant, since MySQL and MariaDB, which have no
    partial indexes, have to scan for it.
    """
    text = wire.clean(typed).strip()
    if not text:
        return None
    meant = mails.for_message(text)
    if wire.normalise_address(text):
        meant |= mails.for_address(text)
    if meant.exists():
        return meant
    # SQLite takes a partial index only for a query that repeats its condition.
    with_data = mails.exclude(api_data="")
    return exactly(with_data, "api_data", text[: mails.model._meta.get_field("api_data").max_length])
