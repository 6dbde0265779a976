"""Decisions about addresses, and what an erasure keeps: one row for each address and server composition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmc_webhooks.models import Suppression
from cmc_webhooks.models.suppressions import DECIDED
from cmc_webhooks.store import changes
from cmc_webhooks.store.bulk import by_key, upsert

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

_DECIDED = ("address_key", "address", "server_composition", "kind", "until", "note", "author", "decided_at")
_KEPT = ("since", "until", "decided_at")
_CHANGED = changes.KINDS[Suppression]
_LIFTED = ("address", "forgiven_until", "note", "author", "decided_at")


def decide(using: str, decision: Suppression) -> None:
    """Store a decision, replacing an earlier one about the same address and composition.

    A block keeps the `forgiven_until` of an earlier release, since it counts again when the block ends.
    """
    forgives = decision.kind == Suppression.Kinds.RELEASED
    upsert(using, [decision], [*_DECIDED, "forgiven_until"] if forgives else _DECIDED)
    changes.record_each(using, [decision])


def add_lifts(using: str, lifts: Sequence[Suppression]) -> None:
    """Record that entries were removed from CMC's lists, in place of earlier ones of the same lists."""
    upsert(using, by_key(lifts), _LIFTED)
    changes.record_each(using, lifts)


def forget_decision(using: str, key: UUID) -> int:
    """Delete a decision. Return the number of rows deleted. What was kept or lifted is not a decision."""
    decision = Suppression._default_manager.using(using).filter(pk=key, kind__in=DECIDED)
    changes.record_rows(decision, _CHANGED)
    return decision.delete()[0]


def keep(using: str, address_key: UUID, kept: Sequence[Suppression]) -> None:
    """Keep these reasons of an address, and none that was kept of it before."""
    keys = [row.pk for row in kept]
    before = Suppression._default_manager.using(using).filter(address_key=address_key)
    gone = before.filter(kind=Suppression.Kinds.KEPT).exclude(pk__in=keys)
    changes.record_rows(gone, _CHANGED)
    gone.delete()
    upsert(using, by_key(kept), _KEPT)
    changes.record_each(using, kept)


def blank_decisions(using: str, address_key: UUID) -> int:
    """Blank the address and the notes of the decisions about it, which stay. Return the number of rows."""
    rows = Suppression._default_manager.using(using).filter(address_key=address_key)
    changes.record_rows(rows, _CHANGED)
    return rows.update(address="", note="")
