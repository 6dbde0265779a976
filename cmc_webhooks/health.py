"""What an operator must know at a glance: what is owed, what died, what was rejected, when CMC last spoke."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cmc_webhooks import rows
from cmc_webhooks.models import Notification, PendingSignal, RejectedEvent

if TYPE_CHECKING:
    from django.db.models import QuerySet

__all__ = ["Health", "look"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Counts of rows and signals; times are aware, ages are seconds; None where there is nothing."""

    pending: int
    oldest_pending: float | None
    dead: int
    rejected: int
    last_notification: datetime | None
    silence: float | None

    def problems(self, max_age: float) -> list[str]:
        """What an operator must see to; a signal owed for more than `max_age` seconds is such a thing."""
        found = []
        if self.dead:
            found.append(f"{self.dead} signals are dead: see Pending signals in the admin")
        if self.oldest_pending is not None and self.oldest_pending > max_age:
            found.append(
                f"a signal is owed for {self.oldest_pending:.0f} s: does cmc_dispatch or a worker run?"
            )
        if self.rejected:
            found.append(f"{self.rejected} events were rejected: see Rejected events in the admin")
        return found

    def as_dict(self) -> dict[str, Any]:
        """For JSON: times in ISO form."""
        moment = self.last_notification
        return asdict(self) | {"last_notification": moment.isoformat() if moment else None}


def look(using: str) -> Health:
    """The state of the app now; a few statements, on indexes or on tables that are empty when all is well."""
    owed = PendingSignal._default_manager.using(using)
    pending = owed.filter(state=PendingSignal.States.PENDING)
    oldest = pending.order_by("pk").values_list("pk", flat=True).first()
    last = (
        Notification._default_manager.using(using)
        .order_by("-pk")
        .values_list("received_at", flat=True)
        .first()
    )
    moment = rows.aware(last) if last else None
    return Health(
        pending=_signals(pending),
        oldest_pending=time.time() - (oldest.int >> 80) / 1000 if oldest else None,
        dead=_signals(owed.filter(state=PendingSignal.States.DEAD)),
        rejected=RejectedEvent._default_manager.using(using).filter(resolved_at=None).count(),
        last_notification=moment,
        silence=(datetime.now(UTC) - moment).total_seconds() if moment else None,
    )


def _signals(owed: QuerySet[PendingSignal]) -> int:
    return sum(len(items) for items in owed.values_list("items", flat=True).iterator())
