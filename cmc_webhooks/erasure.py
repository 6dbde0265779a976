"""What names one person goes, wherever it stands; rows stay, so counts do, and repeats bring nothing back."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Q, TextField
from django.db.models.functions import Cast, Lower

from cmc_webhooks import durable, naming, selection, store, suppression, wire
from cmc_webhooks.models import BlockEvent, BounceEvent, DeliveryEvent, Mail, RejectedEvent, Suppression

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from django.db.models import Model, QuerySet

__all__ = ["Erased", "erase", "is_address"]

BATCH = 500

# Texts of rows that are about others and may still name the person, such as a server's answer.
_TEXTS: dict[Any, tuple[str, ...]] = {
    Mail: ("message_id", *store.BLANKED),
    DeliveryEvent: ("reason", "extra"),
    BounceEvent: ("reason", "extra"),
    BlockEvent: ("address", "raw"),
    RejectedEvent: ("error",),
    Suppression: ("address", "note"),
}
# Where these name the person, as one of several, the row is about the person as a whole.
_ABOUT: dict[Any, Callable[[str, list[UUID]], int]] = {
    Mail: store.blank_mails,
    BlockEvent: store.blank_blocks,
}
_WHOM = ("recipient", "address")


class Erased(NamedTuple):
    """How many mails, block events and rejected events were blanked, and other rows that named the person."""

    mails: int = 0
    blocks: int = 0
    rejected: int = 0
    others: int = 0


def is_address(text: str) -> bool:
    """Whether this is an address, in any spelling: what any other text is searched for must not be short."""
    local, _, domain = wire.normalise_address(text).rpartition("@")
    return bool(local and domain)


def erase(
    address: str, *, using: str | None = None, progress: Callable[[int], Any] = lambda done: None
) -> Erased:
    """Blank the personal data of a person, by an address in any spelling.

    The mails to the address lose their texts and those of their events. Then every text of the other rows is
    searched for the address, also as VERP writes it into a return path (`user=example.jp`), which reads the
    tables as a whole; a text that holds it goes. Rejected events are parsed first, since JSON escapes hide
    an address. Counts do not change, a repeat brings nothing back, and what was suppressed stays so: a hash
    of the address remembers it. May be run again after an interruption. `using` is the alias of the app's
    database, `progress` is told of rows.

    Raises:
        ValueError: this is no address.
        durable.Unavailable: the database gave way; what was erased before stays so.
    """
    if not is_address(address):
        raise ValueError("no address")
    using = using or store.alias()
    bare = wire.normalise_address(address)

    def done(number: int) -> int:
        progress(number)
        return number

    _keep_suppressed(using, bare)
    mails = Mail.objects.using(using).filter(erased_at=None).for_address(bare)
    blocks = BlockEvent.objects.using(using).for_address(bare)
    rejected = RejectedEvent._default_manager.using(using).exclude(raw="")
    return Erased(
        mails=sum(done(_in_one(using, store.blank_mails, keys)) for keys in _keys(mails)),
        blocks=sum(done(_in_one(using, store.blank_blocks, keys)) for keys in _keys(blocks)),
        rejected=sum(
            done(_in_one(using, store.blank_rejections, [row.pk]))
            for chunk in selection.in_chunks(rejected)
            for row in chunk
            if naming.names(naming.parsed(row.raw), bare)
        ),
        others=sum(done(_in_one(using, _blank, type(row), row.pk, bare)) for row in _naming(using, bare)),
    )


def _keep_suppressed(using: str, address: str) -> None:
    """Let what forbids to send to the address outlive its mails, without the address."""
    known = suppression.look_up(address)
    ends = [verdict.until for verdict in (known.told, known.verdict) if not verdict.may_send]
    if not known.told.may_send:
        suppression.block(address, until=None if None in ends else max(filter(None, ends)))
    store.blank_decision(using, wire.address_key(address))


def _keys(found: QuerySet[Any]) -> Iterator[list[UUID]]:
    for chunk in selection.in_chunks(found.only("pk"), BATCH):
        yield [row.pk for row in chunk]


def _in_one(using: str, work: Callable[..., int], *given: Any) -> int:
    def transaction() -> int:
        with durable.atomic(using):
            return work(using, *given)

    return durable.run(using, transaction)


def _naming(using: str, address: str) -> Iterator[Model]:
    """The rows with a text that may hold the address; one reading of each table, in the database."""
    parts = naming.searchable(address)
    for model, names in _TEXTS.items():
        texts = {f"{name}_text": Lower(Cast(name, TextField())) for name in names}  # of JSON too
        holds = reduce(or_, (Q(**{f"{name}__contains": part}) for name in texts for part in parts))
        found = model._default_manager.using(using).alias(**texts).filter(holds).only("pk", *names)
        for chunk in selection.in_chunks(found, BATCH):
            yield from chunk


def _blank(using: str, model: Any, key: UUID, address: str) -> int:
    """Blank the texts of a row that hold the address; of an object only the values that do.

    It is read again behind a lock: who blanked or deleted it meanwhile must not be undone.
    """
    blank: dict[str, Any] = {}
    names = _TEXTS[model]
    row = model._default_manager.using(using).select_for_update().only("pk", *names).filter(pk=key).first()
    if row is None:
        return 0
    if model in _ABOUT and any(naming.names(getattr(row, name), address) for name in names if name in _WHOM):
        _ABOUT[model](using, [key])
    for name in names:
        value = getattr(row, name)
        if naming.names(value, address):
            blank[name] = (
                {key: inner for key, inner in value.items() if not naming.names([key, inner], address)}
                if isinstance(value, dict)
                else ""
            )
    if blank:
        store.blank_texts(using, row, blank)
    return bool(blank)
