"""Which part of the history a command is about: by time, status, address, composition, kind of event."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from cmc_webhooks.event_types import EVENT_TYPES
from cmc_webhooks.models import BlockEvent
from cmc_webhooks.querysets import exactly

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from django.db.models import QuerySet

__all__ = ["Selection", "in_chunks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """`since` <= time of the event < `until` (aware, CMC's clock); the rest as rows have it; None: all."""

    since: datetime | None = None
    until: datetime | None = None
    status: str | None = None
    address: str | None = None
    server_composition: str | None = None
    event_types: Sequence[str] = tuple(EVENT_TYPES)

    def events(self, using: str) -> Iterator[QuerySet[Any]]:
        """The selected events, a queryset for each kind, in key order. Blocks have no mail to select by."""
        of_mails = {
            "mail__status": self.status,
            "mail__server_composition": self.server_composition,
        }
        conditions = {name: value for name, value in of_mails.items() if value is not None}
        for name in self.event_types:
            model: Any = EVENT_TYPES[name].model
            is_of_mails = not issubclass(model, BlockEvent)
            if conditions and not is_of_mails:
                continue
            events = model._default_manager.using(using).occurred_between(self.since, self.until)
            if self.address is not None:
                events = events.for_address(self.address)
            for column, value in conditions.items():
                events = exactly(events, column, value)
            if is_of_mails:
                events = events.select_related("mail")
            yield events.order_by("pk")


def in_chunks(rows: QuerySet[Any], size: int = 500) -> Iterator[list[Any]]:
    """All rows in key order, that many at a time; each chunk is one statement, however many there are."""
    last = None
    rows = rows.order_by("pk")
    while chunk := list(islice(rows.filter(pk__gt=last) if last else rows, size)):
        yield chunk
        last = chunk[-1].pk
