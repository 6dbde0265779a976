"""The change feed, for copies that miss nothing: take `head`, read the tables, then `read` from there on.

With `CMC_WEBHOOKS_CHANGE_FEED = True`, each change of a mail, a block event or a suppression is recorded in
the transaction that makes it. It is numbered after the commit. Who has seen a number has seen all below it.
"""

from __future__ import annotations

from cmc_webhooks.feed.cursors import Cursor, Gone, NotACursor
from cmc_webhooks.feed.documents import as_dict
from cmc_webhooks.feed.numbering import number_changes
from cmc_webhooks.feed.reading import (
    Entry,
    FeedOff,
    Page,
    State,
    check,
    end_epoch,
    head,
    read,
    state,
)

__all__ = [
    "Cursor",
    "Entry",
    "FeedOff",
    "Gone",
    "NotACursor",
    "Page",
    "State",
    "as_dict",
    "check",
    "end_epoch",
    "head",
    "number_changes",
    "read",
    "state",
]
