"""The kinds of events, by CMC's name, each with its record and model. A new kind starts as one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cmc_webhooks import wire
from cmc_webhooks.models import BlockEvent, BounceEvent, DeliveryEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EVENT_TYPES", "MAIL_EVENT_MODELS", "RECORD_TYPES", "EventType", "name_of"]


class EventType(NamedTuple):
    """One kind of event: the record type that `wire` reads it as, and the model that stores it."""

    record: type[wire.Record]
    model: type[DeliveryEvent | BounceEvent | BlockEvent]


EVENT_TYPES: Mapping[str, EventType] = {
    "deliveries": EventType(wire.DeliveryRecord, DeliveryEvent),
    "bounces": EventType(wire.BounceRecord, BounceEvent),
    "blocks": EventType(wire.BlockRecord, BlockEvent),
}

MAIL_EVENT_MODELS: tuple[type[DeliveryEvent], type[BounceEvent]] = (DeliveryEvent, BounceEvent)
"""The models of the events that belong to a mail."""

RECORD_TYPES: Mapping[str, type[wire.Record]] = {name: kind.record for name, kind in EVENT_TYPES.items()}
_NAMES: Mapping[type, str] = {kind.model: name for name, kind in EVENT_TYPES.items()}


def name_of(model: type) -> str:
    """Return CMC's name for the events that `model` stores."""
    return _NAMES[model]
