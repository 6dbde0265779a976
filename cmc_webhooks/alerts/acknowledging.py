"""Acknowledge alerts on behalf of a person."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from cmc_webhooks import audit, timezones
from cmc_webhooks.db import transactions
from cmc_webhooks.models import Alert, Trail, routing
from cmc_webhooks.monitoring import clock, refusals
from cmc_webhooks.store import alerts as store

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

__all__ = ["acknowledge"]

_ACCEPT = {Alert.Kinds.FUTURE: clock.accept_future, Alert.Kinds.REFUSED: refusals.accept}
"""By kind, what acknowledging an open alert does besides."""


def acknowledge(keys: Collection[UUID], actor: audit.Actor) -> int:
    """Acknowledge these alerts, and return the number of those that were not acknowledged before.

    The trail and the log name the actor. From then on, the days of a rate alert count as usual days, so that
    a new level does not stay an alert. For an open alert about receipts in the future or refused
    requests, these are accepted.

    Raises:
        transactions.Unavailable: the database is unavailable. Nothing was changed, or nothing was accepted.
    """
    using = routing.write_alias()

    def work() -> int:
        with transactions.atomic(using):
            now = timezones.to_stored(datetime.now(UTC))
            number = store.acknowledge(using, keys, now, actor.who)
            if number:
                names = sorted(map(str, keys))
                audit.add(Trail.Actions.ACKNOWLEDGED, actor, number, using=using, alerts=names)
            return number

    done = transactions.run(using, work)
    still_open = Alert._default_manager.using(using).filter(pk__in=keys, resolved_at=None)
    found = partial(set[str], still_open.values_list("kind", flat=True))
    kinds = transactions.run(using, found) if done else set[str]()
    for kind, accept in _ACCEPT.items():
        if kind in kinds:
            accept(using, actor)
    return done
