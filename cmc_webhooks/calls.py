"""One signal for one fact: what the outbox keeps of it, and how it is made again from that."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from cmc_webhooks import event_types, signals
from cmc_webhooks.models import Mail

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from django.db.models import Model

__all__ = ["Call", "are_heard", "load", "wanted"]


class Call(NamedTuple):
    """One signal for one fact; `mail` is None for blocks, the last three are for `status_changed`."""

    signal: str
    event: Any
    mail: Mail | None
    old: str = ""
    new: str = ""
    version: int = 0

    @property
    def sender(self) -> type[Model]:
        return Mail if self.signal == "status_changed" else type(self.event)

    def item(self) -> list[Any]:
        """What the outbox keeps of it, as JSON: short, see `PendingSignal.ITEM`."""
        mail = self.mail.id.hex if self.mail else None
        item = [self.signal, event_types.name_of(type(self.event)), self.event.id.hex, mail]
        return [*item, self.old, self.new, self.version] if self.version else item

    def send(self) -> list[Exception]:
        """Call all receivers; the exceptions of those that raised. Django logs each with its traceback."""
        arguments: dict[str, Any] = {"event": self.event, "mail": self.mail}
        if self.signal == "status_changed":
            arguments |= {"old": self.old, "new": self.new, "version": self.version}
        answers = getattr(signals, self.signal).send_robust(self.sender, **arguments)
        return [answer for _, answer in answers if isinstance(answer, Exception)]


def are_heard() -> bool:
    """Whether any receiver is connected in this process."""
    senders = [Mail, *(kind.model for kind in event_types.EVENT_TYPES.values())]
    return any(
        signal.has_listeners(sender)
        for signal in (signals.event_recorded, signals.status_changed)
        for sender in senders
    )


def wanted(told: Iterable[Call]) -> list[Call]:
    """Those calls for which a receiver is connected in this process."""
    listened = cache(lambda signal, sender: getattr(signals, signal).has_listeners(sender))
    return [call for call in told if listened(call.signal, call.sender)]


def load(using: str, facts: Sequence[Mapping[str, Any]]) -> list[Call | None]:
    """The calls that `facts` (of `PendingSignal`) tell of, with rows as they are now; None where one is gone.

    One statement for the mails, and one for each kind of event.
    """
    mails = _in_bulk(using, Mail, (item["mail"] for item in facts if item["mail"]))
    events = {
        name: _in_bulk(using, kind.model, (item["event"] for item in facts if item["event_type"] == name))
        for name, kind in event_types.EVENT_TYPES.items()
    }
    return [_call(item, events.get(item["event_type"], {}), mails) for item in facts]


def _call(item: Mapping[str, Any], events: Mapping[UUID, Any], mails: Mapping[UUID, Mail]) -> Call | None:
    event = events.get(UUID(item["event"]))
    mail = mails.get(UUID(item["mail"])) if item["mail"] else None
    if event is None or (item["mail"] and mail is None):
        return None
    if mail is not None:
        event.mail = mail
    change = (item["old"], item["new"], item["version"]) if "version" in item else ()
    return Call(item["signal"], event, mail, *change)


def _in_bulk(using: str, model: type[Model], keys: Iterable[str]) -> dict[UUID, Any]:
    wanted = {UUID(key) for key in keys}
    return model._default_manager.using(using).in_bulk(wanted) if wanted else {}
