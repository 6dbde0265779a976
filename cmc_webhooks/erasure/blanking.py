"""Anonymisation of one person's data in every table.

Rows and counts are kept. Re-delivered events stay anonymised.
"""

from __future__ import annotations

from functools import partial, reduce
from operator import and_, or_
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Q, TextField
from django.db.models.functions import Cast, Lower

from cmc_webhooks import audit, dispatch, wire
from cmc_webhooks.db import chunks, transactions
from cmc_webhooks.erasure import matching
from cmc_webhooks.event_types import MAIL_EVENT_MODELS
from cmc_webhooks.models import (
    BlockEvent,
    BounceEvent,
    DeliveryEvent,
    Mail,
    RejectedEvent,
    Suppression,
    Trail,
    routing,
)
from cmc_webhooks.models.mails import DERIVED_FIELDS, PERSONAL_FIELDS
from cmc_webhooks.store import deletion, suppressions
from cmc_webhooks.suppression import decisions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.db.models import Model, QuerySet

__all__ = ["TEXTS", "WHOM", "Erased", "count_mails", "erase", "is_address", "naming"]

BATCH = 500

# Texts that may name the person even in rows about others, such as a server's reply.
TEXTS: dict[Any, tuple[str, ...]] = {
    Mail: ("message_id", *(name for name in PERSONAL_FIELDS if name not in DERIVED_FIELDS)),
    DeliveryEvent: ("reason", "extra"),
    BounceEvent: ("reason", "extra"),
    BlockEvent: ("address", "raw"),
    RejectedEvent: ("error",),
    Suppression: ("address", "note"),
    Trail: ("reason",),
}
# If a field of `WHOM` names the person, also as one of several, the whole row is about the person.
_ABOUT = (Mail, BlockEvent)
WHOM = ("recipient", "address")
_PROGRAM = audit.Actor()


class Erased(NamedTuple):
    """The numbers of blanked mails, block events, rejected events, and other rows that named the person.

    `refused` are rows that the database refused to change. They still name the person.
    """

    mails: int = 0
    blocks: int = 0
    rejected: int = 0
    others: int = 0
    refused: int = 0


def is_address(text: str) -> bool:
    """Return whether a text is an address, in any spelling.

    Other texts are searched for it, so a short text would match too much.
    """
    local, _, domain = wire.canonical_mailbox(text).rpartition("@")
    return bool(local and domain)


def count_mails(address: str) -> int:
    """Return the number of mails to an address that `erase` would blank and count."""
    return Mail.objects.using(routing.write_alias()).filter(erased_at=None).for_address(address).count()


def erase(
    address: str,
    *,
    using: str | None = None,
    progress: Callable[[int], Any] = lambda done: None,
    actor: audit.Actor = _PROGRAM,
) -> Erased:
    """Blank the personal data of a person, given by an address in any spelling.

    The texts of the mails to the address and of their events are blanked. Then every text of the other rows
    is searched for the address, also with escapes and as VERP writes it into a return path
    (`user=example.jp`), see `matching`. This reads the tables as a whole. A text that contains the address is
    blanked. Rejected events are parsed first.

    Counts do not change, and re-delivered events restore nothing. A suppressed address stays suppressed: a
    hash of it is kept. After an interruption, it may be run again. Rows that the database refuses to change,
    such as by a trigger of the project, are counted, and all others are blanked. The signal `address_erased`
    is enqueued in each transaction that blanks mails, and once without mails if there are none. `using` is
    the alias of the app's database. `progress` is called with the number of rows blanked by each
    transaction. `actor` is who erases and why: it is recorded, with a keyed hash of the address, see `Trail`.

    Raises:
        ValueError: the text is not a valid address.
        transactions.Unavailable: the database is unavailable. What was erased before stays erased.
    """
    if not is_address(address):
        raise ValueError("not a valid address")
    using = using or routing.write_alias()
    bare = wire.canonical_mailbox(address)
    events = transactions.run(using, partial(_count_events, using, bare))
    begun = partial(audit.begin, Trail.Actions.ERASED, actor, address=bare, using=using, events=events)
    record = transactions.run(using, begun)

    def done(number: int) -> None:
        record.add(number)
        progress(number)

    with record:
        erased = _erase(bare, using, done)
        record.details |= erased._asdict()
    return erased


def _count_events(using: str, address: str) -> int:
    mails = Mail.objects.using(using).filter(erased_at=None).for_address(address)
    return sum(
        model.objects.using(using).filter(mail__in=mails.values("pk")).count() for model in MAIL_EVENT_MODELS
    )


def _erase(address: str, using: str, done: Callable[[int], Any]) -> Erased:
    refused = set[UUID]()
    informer = _Informer(audit.address_hash(address))

    def blanked(work: Callable[[str, list[UUID]], int], keys: list[UUID]) -> int:
        number = transactions.run_each(
            using, partial(work, using), keys, refused=lambda key, error: refused.add(key)
        )
        informer.note(number)
        done(number)
        return number

    transactions.run(using, partial(_keep_suppressed, using, address))
    mails = Mail.objects.using(using).filter(erased_at=None).for_address(address)
    blocks = BlockEvent.objects.using(using).for_address(address)
    rejected = RejectedEvent._default_manager.using(using).exclude(raw="")
    erased = Erased(
        mails=sum(blanked(informer.blank_mails, keys) for keys in _keys(mails)),
        blocks=sum(blanked(deletion.blank_blocks, keys) for keys in _keys(blocks)),
        rejected=sum(
            blanked(deletion.blank_rejections, [row.pk])
            for chunk in chunks.in_chunks(rejected)
            for row in chunk
            if matching.names(matching.parsed(row.raw), address)
        ),
        others=sum(
            blanked(partial(_blank, type(row), address, informer), [row.pk])
            for row in naming(using, address)
            if row.pk not in refused
        ),
        refused=len(refused),
    )
    if not informer.has_sent:
        transactions.run(using, partial(dispatch.address_erased, using, [], informer.address_hash))
    return erased


class _Informer:
    """Blanks mails and enqueues `address_erased` for them, in the same transaction."""

    def __init__(self, address_hash: str) -> None:
        self.address_hash = address_hash
        self.has_sent = False
        self._has_tried = False

    def note(self, blanked: int) -> None:
        """Note the number of rows that were blanked and committed since the last call."""
        self.has_sent = self.has_sent or (self._has_tried and blanked > 0)
        self._has_tried = False

    def blank_mails(self, using: str, keys: list[UUID]) -> int:
        """Blank these mails. Return the number of mails that had not been erased before."""
        blanked = deletion.blank_mails(using, keys)
        dispatch.address_erased(using, keys, self.address_hash)
        self._has_tried = True
        return blanked


def _keep_suppressed(using: str, address: str) -> None:
    """Keep what suppresses an address after its mails are blanked, without storing the address.

    Each reason is kept as a row of its own, with its server composition and its end. Decisions by hand stay.
    """
    with transaction.atomic(using=using):
        decisions.keep(using, address)
        suppressions.blank_decisions(using, wire.address_key(address))


def _keys(found: QuerySet[Any]) -> Iterator[list[UUID]]:
    for chunk in chunks.in_chunks(found.only("pk"), BATCH):
        yield [row.pk for row in chunk]


def naming(using: str, address: str) -> Iterator[Model]:
    """Yield the rows with a text that may contain the address. The database reads each table once."""
    parts, escapes = matching.searchable(address), matching.escape_patterns(address)
    for model, names in TEXTS.items():
        texts = {f"{name}_text": Lower(Cast(name, TextField())) for name in names}  # JSON columns too
        plainly = [Q(**{f"{name}__contains": part}) for name in texts for part in parts]
        escaped = [reduce(and_, [Q(**{f"{name}__regex": each}) for each in escapes]) for name in texts]
        holds = reduce(or_, plainly + escaped)
        found = model._default_manager.using(using).alias(**texts).filter(holds).only("pk", *names)
        for chunk in chunks.in_chunks(found, BATCH):
            yield from chunk


def _blank(model: Any, address: str, informer: _Informer, using: str, keys: list[UUID]) -> int:
    """Blank the texts of one row that contain the address; of an object, only the items that do.

    The row is locked and read again, so that a concurrent change or deletion of it is not undone.
    """
    [key] = keys
    blank: dict[str, Any] = {}
    names = TEXTS[model]
    row = model._default_manager.using(using).select_for_update().only("pk", *names).filter(pk=key).first()
    if row is None:
        return 0
    if model in _ABOUT and any(matching.names(getattr(row, name), address) for name in names if name in WHOM):
        (informer.blank_mails if model is Mail else deletion.blank_blocks)(using, [key])
    for name in names:
        value = getattr(row, name)
        if matching.names(value, address):
            blank[name] = (
                {key: inner for key, inner in value.items() if not matching.names([key, inner], address)}
                if isinstance(value, dict)
                else ""
            )
    if model is Mail:
        blank |= {name: "" for name, text in DERIVED_FIELDS.items() if text in blank}
    if blank:
        deletion.blank_texts(using, row, blank)
    return bool(blank)
