"""A single signal dispatch and its serialised form in the outbox."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from cmc_webhooks import event_types, signals, wire
from cmc_webhooks.dispatch import receivers
from cmc_webhooks.models import Mail, PendingSignal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from django.db.models import Model

__all__ = [
    "Call",
    "LifecycleCall",
    "SignalCall",
    "expected",
    "have_receivers",
    "key_of",
    "load",
    "new_row",
    "now_ms",
    "send",
    "wanted",
]


class SignalCall(NamedTuple):
    """A signal call for one event. `mail` is None for blocks; the last three are for `status_changed`."""

    signal: str
    event: Any
    mail: Mail | None
    old: str = ""
    new: str = ""
    version: int = 0

    @property
    def sender(self) -> type[Model]:
        return Mail if self.signal == "status_changed" else type(self.event)

    @property
    def arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {"event": self.event, "mail": self.mail}
        if self.signal == "status_changed":
            arguments |= {"old": self.old, "new": self.new, "version": self.version}
        return arguments

    def item(self) -> list[Any]:
        """Return the short JSON list that the outbox stores for the call, see `PendingSignal.ITEM`."""
        mail = self.mail.id.hex if self.mail else None
        item = [self.signal, event_types.name_of(type(self.event)), self.event.id.hex, mail]
        return [*item, self.old, self.new, self.version] if self.version else item


class LifecycleCall(NamedTuple):
    """A call of `mails_pruned`, or of `address_erased`, which has the hash of the address."""

    signal: str
    mails: Sequence[UUID]
    address_hash: str = ""

    @property
    def sender(self) -> type[Model]:
        return Mail

    @property
    def arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {"mails": list(self.mails)}
        if self.signal == "address_erased":
            arguments["address_hash"] = self.address_hash
        return arguments

    def item(self) -> list[Any]:
        """Return the short JSON list that the outbox stores, see `PendingSignal.LIFECYCLE`."""
        item = [self.signal, [key.hex for key in self.mails]]
        return [*item, self.address_hash] if self.signal == "address_erased" else item


Call = SignalCall | LifecycleCall


def send(
    call: Call,
    chosen: Sequence[receivers.Receiver],
    *,
    replay: bool = False,
    fault: Callable[[], Exception | None] = lambda: None,
) -> list[receivers.Failure]:
    """Call these receivers of a signal and return their failures, see `receivers.call`."""
    arguments = {**call.arguments, "replay": replay}
    return receivers.call(getattr(signals, call.signal), call.sender, arguments, chosen, fault)


def have_receivers() -> bool:
    """Return whether any receiver of a signal about events is connected in this process."""
    senders = [Mail, *(kind.model for kind in event_types.EVENT_TYPES.values())]
    return any(
        signal.has_listeners(sender)
        for signal in (signals.event_recorded, signals.status_changed)
        for sender in senders
    )


def wanted(candidates: Iterable[SignalCall]) -> list[SignalCall]:
    """Return the calls for which a receiver is connected in this process."""
    listened = cache(lambda signal, sender: getattr(signals, signal).has_listeners(sender))
    return [call for call in candidates if listened(call.signal, call.sender)]


def key_of(call: Call) -> str:
    """Return the key of a call's receivers in `PendingSignal.receivers`: all calls with it have the same."""
    return f"{call.signal} by {call.sender.__name__}"


def expected(some: Iterable[Call]) -> dict[str, list[str]]:
    """Return the names of the receivers of these calls that are connected in this process, by `key_of`."""
    kinds = {key_of(call): call for call in some}
    named = {key: receivers.names(getattr(signals, call.signal), call.sender) for key, call in kinds.items()}
    return {key: names for key, names in named.items() if names}


def load(using: str, facts: Sequence[Mapping[str, Any]]) -> list[Call | None]:
    """Return the calls that `facts` (of `PendingSignal`) describe, with the rows as they are now.

    A call is None if its event or its mail was deleted. One query for the mails, one for each kind of event.
    """
    about_events = [item for item in facts if "event" in item]
    mails = _in_bulk(using, Mail, (item["mail"] for item in about_events if item["mail"]))
    events = {
        name: _in_bulk(
            using, kind.model, (item["event"] for item in about_events if item["event_type"] == name)
        )
        for name, kind in event_types.EVENT_TYPES.items()
    }
    return [
        _call(item, events.get(item["event_type"], {}), mails) if "event" in item else _lifecycle(item)
        for item in facts
    ]


def _call(
    item: Mapping[str, Any], events: Mapping[UUID, Any], mails: Mapping[UUID, Mail]
) -> SignalCall | None:
    event = events.get(UUID(item["event"]))
    mail = mails.get(UUID(item["mail"])) if item["mail"] else None
    if event is None or (item["mail"] and mail is None):
        return None
    if mail is not None:
        event.mail = mail
    change = (item["old"], item["new"], item["version"]) if "version" in item else ()
    return SignalCall(item["signal"], event, mail, *change)


def _lifecycle(item: Mapping[str, Any]) -> LifecycleCall:
    return LifecycleCall(item["signal"], [UUID(key) for key in item["mails"]], item.get("address_hash", ""))


def _in_bulk(using: str, model: type[Model], keys: Iterable[str]) -> dict[UUID, Any]:
    wanted = {UUID(key) for key in keys}
    return model._default_manager.using(using).in_bulk(wanted) if wanted else {}


def new_row(
    items: list[list[Any]], born: int, available_at: int, sequence: int, attempts: int, **columns: Any
) -> PendingSignal:
    """Return a new row of the outbox. `columns` are the values of other columns.

    Its key holds the time when its signals were first enqueued, also in another row.
    """
    return PendingSignal(
        id=wire.time_key(born, sequence),
        items=items,
        available_at=available_at,
        attempts=attempts,
        **columns,
    )


def now_ms() -> int:
    """Return the time as milliseconds since the epoch, as `PendingSignal.available_at` has it."""
    return time.time_ns() // 1_000_000
