"""The kinds of events: CMC's word for each, its record, its row. A new kind starts as one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cmc_webhooks import wire
from cmc_webhooks.models import BlockEvent, BounceEvent, DeliveryEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EVENT_TYPES", "RECORD_TYPES", "EventType", "name_of"]


class EventType(NamedTuple):
    """One kind of event: what `wire` reads it as and which table keeps it."""

    record: type[wire.Record]
    model: type[DeliveryEvent | BounceEvent | BlockEvent]


EVENT_TYPES: Mapping[str, EventType] = {
    "deliveries": EventType(wire.DeliveryRecord, DeliveryEvent),
    "bounces": EventType(wire.BounceRecord, BounceEvent),
    "blocks": EventType(wire.BlockRecord, BlockEvent),
}

RECORD_TYPES: Mapping[str, type[wire.Record]] = {name: kind.record for name, kind in EVENT_TYPES.items()}
_NAMES: Mapping[type, str] = {kind.model: name for name, kind in EVENT_TYPES.items()}


def name_of(model: type) -> str:
    """CMC's word for the events that `model` keeps."""
    return _NAMES[model]
