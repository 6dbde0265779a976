"""Find which fetched events are not stored yet, matching on mail, type, status or code, and second.

Event keys are equal only for identical reports. CMC's lists may lack fields that its notifications have, or
spell them differently, so keys cannot be compared there.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Q

from cmc_webhooks import timezones, wire
from cmc_webhooks.event_types import EVENT_TYPES
from cmc_webhooks.ingest import batch
from cmc_webhooks.models import Notification, RejectedEvent
from cmc_webhooks.store import bulk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

__all__ = ["WORDS", "of"]

WORDS: Mapping[str, str] = {"deliveries": "status", "bounces": "bounce_code"}
"""By event type, the column that holds CMC's word for what happened."""


def of(using: str, sent: wire.Notification) -> wire.Notification:
    """Return the part of a notification that is not stored, in at most two queries.

    Events older than the retention of events do not count as missing.
    """
    ready = batch.Batch.of(sent, datetime.now(UTC), Notification.Sources.REST.value)
    known = _known(using, ready)
    refused = bulk.known_keys(using, RejectedEvent, {rejection.key for rejection in sent.rejections})
    return replace(
        sent,
        records=tuple(record for key, record in ready.records.items() if key not in known),
        rejections=tuple(rejection for rejection in sent.rejections if rejection.key not in refused),
    )


def _known(using: str, ready: batch.Batch) -> set[UUID]:
    """Return the keys of the records whose mail has an event of the same type, word and second.

    A record without a usable time matches an event without one. Mails without a message id are identified by
    everything that was sent, so their records are known only if nothing differs.
    """
    if not ready.records:
        return set()
    kind: Any = EVENT_TYPES[ready.sent.event_type]
    column = WORDS[ready.sent.event_type]
    room = kind.model._meta.get_field(column).max_length
    facts: dict[UUID, tuple[UUID, str, datetime | None]] = {
        key: (
            ready.mail_keys[key],
            getattr(record, column)[:room],
            _second(ready.times.occurred_at(record)) if key >= wire.UNTIMED_END else None,
        )
        for key, record in ready.records.items()
    }
    stored = kind.model._default_manager.using(using).filter(
        _about([second for _, _, second in facts.values()]), mail_id__in=set(ready.mail_keys.values())
    )
    found = {
        (mail, word, None if key < wire.UNTIMED_END else _second(occurred_at))
        for key, mail, word, occurred_at in stored.values_list("pk", "mail_id", column, "occurred_at")
    }
    return {key for key, fact in facts.items() if fact in found}


def _about(seconds: Sequence[datetime | None]) -> Q:
    """Return the condition for events between the earliest and the latest second; None stands for no time."""
    timed = [second for second in seconds if second is not None]
    condition = Q(pk__lt=wire.UNTIMED_END) if len(timed) < len(seconds) else Q(pk__in=())
    if timed:
        # The second is added to the stored time. Added before the conversion, it could lead back to the start
        # of an hour that occurs twice.
        first, end = timezones.to_stored(min(timed)), timezones.to_stored(max(timed)) + timedelta(seconds=1)
        condition |= Q(occurred_at__gte=first, occurred_at__lt=end)
    return condition


def _second(stored: datetime) -> datetime:
    return timezones.to_aware(stored).astimezone(UTC).replace(microsecond=0)
