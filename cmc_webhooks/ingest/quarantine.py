"""A batch that the database refuses as a whole: the event at fault is found, tamed, or rejected alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmc_webhooks import wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from cmc_webhooks.batch import Batch

    Fits = Callable[[Batch], bool]

__all__ = ["without"]


def without(ready: Batch, fits: Fits) -> Batch:
    """The batch in which each event that does not fit is tamed, or rejected if that is not enough.

    `fits` says whether the database takes a batch. What is tamed loses the letters outside the basic plane,
    which a 3-byte charset cannot hold.
    """
    if not fits(ready.only({})):
        ready = ready.about(wire.frame_within_bmp(ready.sent))
    for key in _at_fault(ready, list(ready.records), fits):
        tame = {key: wire.within_bmp(ready.records[key])}
        if fits(ready.only(tame)):
            ready = ready.only({**ready.records, **tame})
        else:
            ready = ready.rejecting(key, "the database refuses it")
    return ready


def _at_fault(ready: Batch, keys: list[UUID], fits: Fits) -> list[UUID]:
    """Those of `keys` whose events do not fit, found by halving."""
    if not keys or fits(ready.only({key: ready.records[key] for key in keys})):
        return []
    if len(keys) == 1:
        return keys
    half = len(keys) // 2
    return _at_fault(ready, keys[:half], fits) + _at_fault(ready, keys[half:], fits)
