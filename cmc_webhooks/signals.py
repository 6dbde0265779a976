"""The signals that a project subscribes to. Those about events go out after the commit, see `dispatch`.

They may be sent more than once for the same fact after a crash or when a receiver raised: `event.id`, or
`mail.id` with `version`, says whether it was seen before.
"""

from __future__ import annotations

from django.dispatch import Signal

__all__ = ["event_recorded", "recipients_suppressed", "status_changed"]

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

recipients_suppressed = Signal()
"""A mail is about to be sent by `email_backend.SuppressingBackend`, some of whose recipients are suppressed.

Sent at once, with `sender` (the backend's class), `message` (as the project made it) and `verdicts` (of each
suppressed recipient, by its spelling in the message).
"""
