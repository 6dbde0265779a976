"""Bodies that came with a valid secret and are not notifications: each is kept as one rejected event."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from cmc_webhooks import timezones, wire
from cmc_webhooks.db import transactions
from cmc_webhooks.models import RejectedEvent, routing
from cmc_webhooks.store import rejections

__all__ = ["keep"]


def keep(text: str, error: str) -> None:
    """Store a body as a rejected event without a type. The same body again is the same row.

    `text` has no secrets in it. It is cut to 64 kB.

    Raises:
        transactions.Unavailable: the database is unavailable. Nothing was stored.
    """
    using = routing.write_alias()
    raw = text.encode(errors="replace")[: wire.MAX_RAW_BYTES].decode(errors="ignore")
    row = RejectedEvent(
        id=wire.rejection_key("", "", raw),
        event_type="",
        server_composition="",
        received_at=timezones.to_stored(datetime.now(UTC)),
        position=0,
        raw=raw,
        error=error,
    )
    try:
        transactions.run(using, partial(rejections.reject, using, [row]))
    except transactions.Unstorable:  # such as an emoji in a table with three bytes a character
        row.raw = raw.encode("ascii", "backslashreplace").decode()[: wire.MAX_RAW_BYTES]
        row.error = error.encode("ascii", "backslashreplace").decode()
        try:
            transactions.run(using, partial(rejections.reject, using, [row]))
        except transactions.Unstorable as fault:
            raise transactions.Unavailable(str(fault)) from fault
