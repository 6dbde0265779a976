"""The part of the history that a command acts on: by time, status, address, key, kind of event."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cmc_webhooks.db.text import exactly
from cmc_webhooks.event_types import EVENT_TYPES
from cmc_webhooks.models import BlockEvent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from django.db.models import QuerySet

__all__ = ["Selection"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Conditions for events. None selects all.

    `since` <= time of the event < `until`, both aware, by CMC's clock. `address` is in any spelling, the
    other values are as stored. `message_id` is in any spelling, `mail` and `event` are keys.
    """

    since: datetime | None = None
    until: datetime | None = None
    status: str | None = None
    address: str | None = None
    server_composition: str | None = None
    message_id: str | None = None
    mail: UUID | None = None
    event: UUID | None = None
    event_types: Sequence[str] = tuple(EVENT_TYPES)

    @property
    def by_keys_alone(self) -> bool:
        """Return whether nothing but keys and types decides, so that no event need be read."""
        return self == Selection(mail=self.mail, event=self.event, event_types=self.event_types)

    def events(self, using: str) -> Iterator[QuerySet[Any]]:
        """Yield the selected events, a queryset for each kind, in key order.

        Blocks have no mail, so they are left out if a condition is about mails.
        """
        of_mails = {
            "mail__status": self.status,
            "mail__server_composition": self.server_composition,
        }
        conditions = {name: value for name, value in of_mails.items() if value is not None}
        keys = {"mail_id": self.mail, "pk": self.event}
        by_key = {name: key for name, key in keys.items() if key is not None}
        is_about_mails = bool(conditions) or self.mail is not None or self.message_id is not None
        for name in self.event_types:
            model: Any = EVENT_TYPES[name].model
            is_of_mails = not issubclass(model, BlockEvent)
            if is_about_mails and not is_of_mails:
                continue
            events = model._default_manager.using(using).occurred_between(self.since, self.until)
            events = events.filter(**by_key)
            if self.address is not None:
                events = events.for_address(self.address)
            if self.message_id is not None:
                events = events.for_message(self.message_id)
            for column, value in conditions.items():
                events = exactly(events, column, value)
            if is_of_mails:
                events = events.select_related("mail")
            yield events.order_by("pk")
