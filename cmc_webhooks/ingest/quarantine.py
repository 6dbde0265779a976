"""Bisection of a batch that the database rejects, to sanitise or quarantine the offending events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmc_webhooks import wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from cmc_webhooks.ingest.batch import Batch

    Fits = Callable[[Batch], bool]

__all__ = ["quarantine_unstorable"]


def quarantine_unstorable(ready: Batch, fits: Fits) -> Batch:
    """Return the batch with each event that does not fit sanitised, or rejected if that is not enough.

    `fits` returns whether the database accepts a batch. Sanitising replaces the characters outside the Basic
    Multilingual Plane, which a 3-byte charset cannot hold.
    """
    if not fits(ready.only({})):
        ready = ready.about(wire.replace_astral_in_frame(ready.sent))
    for key in _at_fault(ready, list(ready.records), fits):
        storable = {key: wire.replace_astral_in_record(ready.records[key])}
        if fits(ready.only(storable)):
            ready = ready.only({**ready.records, **storable})
        else:
            ready = ready.rejecting(key, "the database refuses it")
    return ready


def _at_fault(ready: Batch, keys: list[UUID], fits: Fits) -> list[UUID]:
    """Return those of `keys` whose events do not fit, found by bisection."""
    if not keys or fits(ready.only({key: ready.records[key] for key in keys})):
        return []
    if len(keys) == 1:
        return keys
    half = len(keys) // 2
    return _at_fault(ready, keys[:half], fits) + _at_fault(ready, keys[half:], fits)
