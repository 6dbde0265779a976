"""The signals that a project subscribes to. Those about events and mails are sent after the commit.

Such a signal may be sent more than once for the same fact, after a crash or when a receiver raised, see
`dispatch`. `event.id`, or `mail.id` with `version`, identifies a repeat. `replay` is true if a person has it
sent again.

A receiver is called with keyword arguments only. Those that it does not name go into its `**kwargs`. The
protocols here are what type checkers compare a receiver with that is passed to `connect`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Protocol

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.dispatch import Signal

from cmc_webhooks.bounce_codes import BounceClass

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from typing import Generic, TypeVar
    from uuid import UUID

    from django.core.mail import EmailMessage
    from django.core.mail.backends.base import BaseEmailBackend

    from cmc_webhooks.models import Alert, BlockEvent, BounceEvent, DeliveryEvent, Mail, Suppression
    from cmc_webhooks.suppression.rules import Verdict

    Receiver = TypeVar("Receiver")
    AnyStatusReceiver = TypeVar("AnyStatusReceiver", bound="StatusChangedReceiver")

    class TypedSignal(Signal, Generic[Receiver]):
        """A signal whose receivers have this type. It exists for type checkers alone."""

        def connect(  # type: ignore[override]
            self,
            receiver: Receiver,
            sender: object | None = None,
            weak: bool = True,
            dispatch_uid: Hashable | None = None,
        ) -> None: ...


__all__ = [
    "AddressErasedReceiver",
    "AlertReceiver",
    "EventRecordedReceiver",
    "MailsPrunedReceiver",
    "RecipientsSuppressedReceiver",
    "StatusChangedReceiver",
    "StatusReceiver",
    "SuppressionChangedReceiver",
    "address_erased",
    "alert_raised",
    "alert_resolved",
    "event_recorded",
    "mails_pruned",
    "on_status",
    "recipients_suppressed",
    "status_changed",
    "suppression_changed",
]


class AlertReceiver(Protocol):
    """A receiver of `alert_raised` or `alert_resolved`. Its result is ignored."""

    def __call__(self, *, signal: Signal, sender: type[Alert], alert: Alert) -> object: ...


class EventRecordedReceiver(Protocol):
    """A receiver of `event_recorded`. Its result is ignored."""

    def __call__(
        self,
        *,
        signal: Signal,
        sender: type[DeliveryEvent | BounceEvent | BlockEvent],
        event: DeliveryEvent | BounceEvent | BlockEvent,
        mail: Mail | None,
        replay: bool,
    ) -> object: ...


class StatusChangedReceiver(Protocol):
    """A receiver of `status_changed`. Its result is ignored."""

    def __call__(
        self,
        *,
        signal: Signal,
        sender: type[Mail],
        mail: Mail,
        event: DeliveryEvent | BounceEvent,
        old: str,
        new: str,
        version: int,
        replay: bool,
    ) -> object: ...


class MailsPrunedReceiver(Protocol):
    """A receiver of `mails_pruned`. Its result is ignored."""

    def __call__(
        self, *, signal: Signal, sender: type[Mail], mails: Sequence[UUID], replay: bool
    ) -> object: ...


class AddressErasedReceiver(Protocol):
    """A receiver of `address_erased`. Its result is ignored."""

    def __call__(
        self,
        *,
        signal: Signal,
        sender: type[Mail],
        mails: Sequence[UUID],
        address_hash: str,
        replay: bool,
    ) -> object: ...


class RecipientsSuppressedReceiver(Protocol):
    """A receiver of `recipients_suppressed`. Its result is ignored."""

    def __call__(
        self,
        *,
        signal: Signal,
        sender: type[BaseEmailBackend],
        message: EmailMessage,
        verdicts: Mapping[str, Verdict],
    ) -> object: ...


class SuppressionChangedReceiver(Protocol):
    """A receiver of `suppression_changed`. Its result is ignored."""

    def __call__(
        self,
        *,
        signal: Signal,
        sender: type[Suppression],
        address: str,
        composition: str,
        action: str,
        decision: Suppression | None,
    ) -> object: ...


event_recorded: TypedSignal[EventRecordedReceiver] = Signal(use_caching=True)  # type: ignore[assignment]
"""A new event was stored.

Sent with `sender` (DeliveryEvent, BounceEvent or BlockEvent), `event` (the stored row), `mail` (its Mail;
None for blocks) and `replay`.
"""

status_changed: TypedSignal[StatusChangedReceiver] = Signal(use_caching=True)  # type: ignore[assignment]
"""The status of a mail changed.

Sent with `sender` (Mail), `mail`, `event` (the row that decided it), `old` ("" for a new mail), `new` (texts,
see `status`), `version` (an integer that rises by 1 with each status change of this mail, so the greater one
is the later) and `replay`.
"""

mails_pruned: TypedSignal[MailsPrunedReceiver] = Signal(use_caching=True)  # type: ignore[assignment]
"""Mails that are older than `RETENTION` allows were deleted with their events.

Sent with `sender` (Mail), `mails` (the keys of up to 500 deleted mails) and `replay`.
"""

address_erased: TypedSignal[AddressErasedReceiver] = Signal(use_caching=True)  # type: ignore[assignment]
"""The personal data of an address was erased.

Sent with `sender` (Mail), `mails` (the keys of up to 500 mails that were blanked), `address_hash` (the keyed
hash of the address, see `audit.address_hash`; never the address itself) and `replay`. An erasure sends one
for each transaction that blanks mails, and one without mails if there are none.
"""

recipients_suppressed: TypedSignal[RecipientsSuppressedReceiver] = Signal()  # type: ignore[assignment]
"""A mail with suppressed recipients is about to be sent by `email_backend.SuppressingBackend`.

Sent immediately, with `sender` (the backend's class), `message` (as the project made it) and `verdicts` (one
for each suppressed recipient, keyed by its spelling in the message).
"""

suppression_changed: TypedSignal[SuppressionChangedReceiver] = Signal()  # type: ignore[assignment]
"""A decision about an address was made or withdrawn, by hand or by a program, and is committed.

Sent with `sender` (Suppression), `address` (its canonical form), `composition` (the server composition that
it is about, "" for all), `action` ("blocked", "released", "forgotten", or "lifted" if an entry was removed
from CMC's lists) and `decision` (the row; None for "forgotten"). A bounce or a success sends nothing here.
"""

alert_raised: TypedSignal[AlertReceiver] = Signal()  # type: ignore[assignment]
"""An alert was raised. Sent with `sender` (Alert) and `alert` (the row).

The process that checks for alerts sends it, after the commit and never in a web request. If a receiver
raises, all are called again at the next check, for three days.
"""

alert_resolved: TypedSignal[AlertReceiver] = Signal()  # type: ignore[assignment]
"""An alert was resolved: its cause was not seen for a whole window. Sent like `alert_raised`."""


class StatusReceiver:
    """A receiver of `status_changed` that calls a function for some changes only, see `on_status`.

    It has the name of the function.
    """

    observers: list[Callable[[Callable[..., object], dict[str, Any]], None]] = []
    """Called with the function and its arguments before each call, for `testing`."""

    def __init__(
        self,
        function: Callable[..., object],
        statuses: tuple[str, ...],
        bounce_class: str | None,
        *,
        latest_only: bool,
    ) -> None:
        update_wrapper(self, function, updated=())  # the attributes of an object stay its own
        self.function, self.statuses, self.bounce_class = function, statuses, bounce_class
        self._latest_only = latest_only
        self._is_async = iscoroutinefunction(function)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, **arguments: Any) -> Any:
        if self._is_async:
            return self._call_async(arguments)
        return self._call(arguments) if self._takes(arguments) else None

    async def _call_async(self, arguments: dict[str, Any]) -> Any:
        if await sync_to_async(self._takes)(arguments):
            return await self._call(arguments)
        return None

    def _call(self, arguments: dict[str, Any]) -> Any:
        for note in self.observers:
            note(self.function, arguments)
        return self.function(**arguments)

    def _takes(self, arguments: dict[str, Any]) -> bool:
        if self.statuses and arguments["new"] not in self.statuses:
            return False
        if self.bounce_class and getattr(arguments["event"], "bounce_class", None) != self.bounce_class:
            return False
        return not (self._latest_only and _is_overtaken(arguments["mail"], arguments["version"]))


def on_status(
    *statuses: str,
    bounce_class: str | None = None,
    latest_only: bool = False,
    dispatch_uid: Hashable | None = None,
) -> Callable[[AnyStatusReceiver], AnyStatusReceiver]:
    """Connect a function to `status_changed` for changes to these statuses, or for all if none is given.

    With `bounce_class`, the bounce that decided the status must be of this class. With `latest_only`, a call
    is skipped if the status of the mail has changed again since then: its row is read before each call. The
    function is returned unchanged.

    Raises:
        ValueError: there is no such class of bounces.
    """
    if bounce_class is not None and bounce_class not in BounceClass.values:
        raise ValueError(f"{bounce_class!r} is not a class of bounces: {', '.join(BounceClass.values)}")

    def connect(function: AnyStatusReceiver) -> AnyStatusReceiver:
        receiver = StatusReceiver(function, statuses, bounce_class, latest_only=latest_only)
        status_changed.connect(receiver, weak=False, dispatch_uid=dispatch_uid)
        return function

    return connect


def _is_overtaken(mail: Mail, version: int) -> bool:
    """Return whether the stored mail has a later version, read where the mail was read or written."""
    stored = type(mail)._default_manager.using(mail._state.db).filter(pk=mail.pk)
    latest = stored.values_list("version", flat=True).first()
    return latest is not None and latest > version
