"""In-memory deltas for the daily mail counters."""

from __future__ import annotations

import secrets
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from django.utils import timezone

from cmc_webhooks import timezones, wire
from cmc_webhooks.models import MailCount

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime, tzinfo

    from cmc_webhooks.models import Mail

__all__ = ["SHARDS", "CountDeltas", "CountKey", "cell", "to_rows"]

SHARDS = 8


class CountKey(NamedTuple):
    """The key of a counter: mails of one day and composition with the same status and bounce class."""

    day: date
    server_composition: str
    status: str
    bounce_class: str


class CountDeltas(Counter[CountKey]):
    """The change of each counter."""

    def move(self, before: CountKey | None, after: CountKey | None) -> None:
        """Move a mail from one counter to another; None means not counted before, or not counted any more."""
        if before != after:
            if after is not None:
                self[after] += 1
            if before is not None:
                self[before] -= 1


def cell(mail: Mail) -> CountKey | None:
    """Return the key of the counter that a mail belongs to; None before its first event is merged."""
    if mail.delivery_event_id is None and mail.bounce_event_id is None:
        return None
    day = _day(mail.created_at, timezone.get_default_timezone())
    return CountKey(day, mail.server_composition, mail.status, mail.bounce_class)


@lru_cache(maxsize=256)
def _day(moment: datetime, zone: tzinfo) -> date:
    return timezones.to_aware(moment).astimezone(zone).date()


def to_rows(moves: Mapping[CountKey, int], moment: datetime, shard: int | None = None) -> list[MailCount]:
    """Return the rows to add to the stored counters, all of one shard, by default a random one.

    `moment` is aware.
    """
    shard = secrets.randbelow(SHARDS) if shard is None else shard
    return [
        MailCount(
            id=wire.count_key(*map(str, cell), str(shard)),
            **cell._asdict(),
            shard=shard,
            number=number,
            changed_at=timezones.to_stored(moment),
        )
        for cell, number in moves.items()
        if number
    ]
