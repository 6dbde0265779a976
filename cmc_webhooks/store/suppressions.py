"""What people decided about addresses: one row for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmc_webhooks.models import Suppression
from cmc_webhooks.store.sets import upsert

if TYPE_CHECKING:
    from uuid import UUID

_DECIDED = ("address", "kind", "until", "note", "decided_at")


def decide(using: str, decision: Suppression) -> None:
    """Store a decision, in the place of an earlier one about the same address.

    A block leaves forgiven what was: it may have an end.
    """
    forgives = decision.kind == Suppression.Kinds.RELEASED
    upsert(using, [decision], [*_DECIDED, "forgiven_until"] if forgives else _DECIDED)


def forget_decision(using: str, key: UUID) -> int:
    """Delete a decision; how many there were."""
    return Suppression._default_manager.using(using).filter(pk=key).delete()[0]


def blank_decision(using: str, key: UUID) -> int:
    """Blank the address and the note of a decision, which stays; how many there were."""
    return Suppression._default_manager.using(using).filter(pk=key).update(address="", note="")
