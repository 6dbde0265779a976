"""The signals that a project subscribes to. They go out after the commit, see `dispatch`.

Both may be called more than once for the same fact after a crash or when a receiver raised: `event.id`, or
`mail.id` with `version`, says whether it was seen before.
"""

from __future__ import annotations

from django.dispatch import Signal

__all__ = ["event_recorded", "status_changed"]

event_recorded = Signal(use_caching=True)
"""An event was stored that was not known before.

Sent with `sender` (DeliveryEvent, BounceEvent or BlockEvent), `event` (the stored row) and `mail` (its Mail;
None for blocks).
"""

status_changed = Signal(use_caching=True)
"""The status of a mail became another one.

Sent with `sender` (Mail), `mail`, `event` (the row that decided it), `old` ("" for a new mail), `new` (texts,
see `status`) and `version` (integer, +1 with each change of this mail: the greater one is the later).
"""
