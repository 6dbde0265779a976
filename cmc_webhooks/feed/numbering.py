"""Numbering of committed changes, in short transactions of its own."""

from __future__ import annotations

import time
from functools import partial

from cmc_webhooks.conf import app_settings
from cmc_webhooks.db import transactions
from cmc_webhooks.models import routing
from cmc_webhooks.store import changes

__all__ = ["AT_ONCE", "number_changes"]

AT_ONCE = 1000


def number_changes(using: str | None = None, *, seconds: float = float("inf")) -> int:
    """Number the changes that are committed. Return how many were numbered.

    Do not call it inside a transaction. After `seconds` the rest is left to the next call. Without the
    setting `CHANGE_FEED`, do nothing.

    Raises:
        transactions.Unavailable: the database is unavailable. What was numbered before stays numbered.
    """
    if not app_settings.change_feed:
        return 0
    using = using or routing.write_alias()
    end, done = time.monotonic() + seconds, 0
    while numbered := transactions.run(using, partial(_number, using)):
        done += numbered
        if numbered < AT_ONCE or time.monotonic() >= end:
            break
    return done


def _number(using: str) -> int:
    with transactions.atomic(using):
        return changes.number(using, AT_ONCE)
