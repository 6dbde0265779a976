"""What of a notification is not stored yet, though it was told in other words.

An event key says whether the very same was told. CMC's lists may lack fields that its notifications have, or
spell them otherwise: there the mail, the kind, the status or code and the second tell an event from another.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Q

from cmc_webhooks import batch, rows, store, wire
from cmc_webhooks.event_types import EVENT_TYPES
from cmc_webhooks.models import Notification, RejectedEvent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

__all__ = ["WORDS", "of"]

WORDS: Mapping[str, str] = {"deliveries": "status", "bounces": "bounce_code"}
"""By CMC's name of the kind, the column that holds its word for what happened."""


def of(using: str, sent: wire.Notification) -> wire.Notification:
    """That part of a notification which is not stored, in two statements at most.

    What is older than events are kept is not missed.
    """
    ready = batch.Batch.of(sent, datetime.now(UTC), Notification.Sources.REST.value)
    known = _known(using, ready)
    refused = store.known_keys(using, RejectedEvent, {rejection.key for rejection in sent.rejections})
    return replace(
        sent,
        records=tuple(record for key, record in ready.records.items() if key not in known),
        rejections=tuple(rejection for rejection in sent.rejections if rejection.key not in refused),
    )


def _known(using: str, ready: batch.Batch) -> set[UUID]:
    """The keys of the records whose mail has an event of this kind, with this word, in the same second.

    Without a usable time, it is known by an event without one. Mails without a message id are told apart by
    all that was sent, so a record of theirs is known only if nothing differs.
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
    """The condition for events at about these times; None is no time."""
    timed = [second for second in seconds if second is not None]
    condition = Q(pk__lt=wire.UNTIMED_END) if len(timed) < len(seconds) else Q(pk__in=())
    if timed:
        # the second is added to the stored time: before an hour that comes twice it would lead to its begin
        first, end = rows.stored(min(timed)), rows.stored(max(timed)) + timedelta(seconds=1)
        condition |= Q(occurred_at__gte=first, occurred_at__lt=end)
    return condition


def _second(stored: datetime) -> datetime:
    return rows.aware(stored).astimezone(UTC).replace(microsecond=0)
