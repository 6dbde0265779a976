"""How many mails stand where, day by day: what a change of mails moves in the counts."""

from __future__ import annotations

import secrets
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from django.utils import timezone

from cmc_webhooks import rows, wire
from cmc_webhooks.models import MailCount

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime, tzinfo

    from cmc_webhooks.models import Mail

__all__ = ["SHARDS", "Cell", "Moves", "cell", "parts"]

SHARDS = 8


class Cell(NamedTuple):
    """What is counted together: mails of one day and composition that stand at one status."""

    day: date
    server_composition: str
    status: str
    bounce_class: str


class Moves(Counter[Cell]):
    """By how much each count changes."""

    def move(self, before: Cell | None, after: Cell | None) -> None:
        """Take a mail from one count to another; None: it was not counted, or is no longer."""
        if before != after:
            if after is not None:
                self[after] += 1
            if before is not None:
                self[before] -= 1


def cell(mail: Mail) -> Cell | None:
    """Where a mail counts; None before its first event is merged."""
    if mail.delivery_event_id is None and mail.bounce_event_id is None:
        return None
    day = _day(mail.created_at, timezone.get_default_timezone())
    return Cell(day, mail.server_composition, mail.status, mail.bounce_class)


@lru_cache(maxsize=256)
def _day(moment: datetime, zone: tzinfo) -> date:
    return rows.aware(moment).astimezone(zone).date()


def parts(moves: Mapping[Cell, int], moment: datetime, shard: int | None = None) -> list[MailCount]:
    """The rows to add to the stored ones, all of one shard; `moment` is aware."""
    shard = secrets.randbelow(SHARDS) if shard is None else shard
    return [
        MailCount(
            id=wire.count_key(*map(str, cell), str(shard)),
            **cell._asdict(),
            shard=shard,
            number=number,
            changed_at=rows.stored(moment),
        )
        for cell, number in moves.items()
        if number
    ]
