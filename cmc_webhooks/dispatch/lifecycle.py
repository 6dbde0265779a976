"""The signals about mails that were deleted or blanked, through the outbox like those about events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmc_webhooks import signals
from cmc_webhooks.dispatch import outbox
from cmc_webhooks.dispatch.calls import LifecycleCall
from cmc_webhooks.models import Mail

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

__all__ = ["MAILS_PER_CALL", "address_erased", "mails_pruned"]

MAILS_PER_CALL = 500
"""The maximum number of mails that one call names."""


def mails_pruned(using: str, mails: Sequence[UUID]) -> None:
    """Enqueue `mails_pruned` for these mails, in the transaction that deletes them."""
    if mails and signals.mails_pruned.has_listeners(Mail):
        _enqueue(using, [LifecycleCall("mails_pruned", some) for some in _pieces(mails)])


def address_erased(using: str, mails: Sequence[UUID], address_hash: str) -> None:
    """Enqueue `address_erased` for the hash of an address, in the transaction that blanks its mails."""
    if signals.address_erased.has_listeners(Mail):
        _enqueue(using, [LifecycleCall("address_erased", some, address_hash) for some in _pieces(mails)])


def _enqueue(using: str, calls: Sequence[LifecycleCall]) -> None:
    """Write a row for each call, so that no row is long."""
    for call in calls:
        outbox.enqueue(using, [call], leased=False)


def _pieces(mails: Sequence[UUID]) -> list[Sequence[UUID]]:
    return [mails[start : start + MAILS_PER_CALL] for start in range(0, max(len(mails), 1), MAILS_PER_CALL)]
