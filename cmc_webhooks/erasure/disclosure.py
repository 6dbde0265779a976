"""All stored data about one person, to be handed over to that person.

Rows about the person are whole. Of rows about others, only the passage that names the person is given, with
its kind: no address of another recipient is disclosed.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.db.models import Q
from django.template.loader import render_to_string
from django.utils import timezone

from cmc_webhooks import audit, timezones, wire
from cmc_webhooks.db import chunks, transactions
from cmc_webhooks.erasure import blanking, matching
from cmc_webhooks.event_types import MAIL_EVENT_MODELS
from cmc_webhooks.models import BlockEvent, Mail, RejectedEvent, Suppression, Trail, routing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from django.db.models import Model
    from django_stubs_ext import StrOrPromise

__all__ = ["Disclosure", "Entry", "Passage", "as_html", "disclose"]

_PROGRAM = audit.Actor()
_RECIPIENT_NAMES = {
    name
    for record in (wire.DeliveryRecord, wire.BounceRecord, wire.BlockRecord)
    for name, own in record.WIRE_NAMES.items()
    if own == "recipient"
}
_OF_TRAIL = ("at", "what", "via", "reason", "rows")
"""What is disclosed of the trail. The key of a member of staff is not the person's data."""
_BY_MACHINES = ("reason", "error")
"""Texts that servers and this app write, of which a few words are given beside a passage."""
_ELSEWHERE = "…"


class Entry(NamedTuple):
    """A row about the person: its values by the names of the fields, and the events of a mail."""

    model: type[Model]
    values: dict[str, Any]
    events: Sequence[Entry] = ()

    @property
    def title(self) -> StrOrPromise:
        """Return what kind of row it is."""
        name: StrOrPromise = self.model._meta.verbose_name or ""
        return name

    @property
    def shown(self) -> list[tuple[StrOrPromise, Any]]:
        """Return the labels and values for a page, without keys and empty values."""
        fields: list[tuple[Any, Any]] = [
            (self.model._meta.get_field(name), value) for name, value in self.values.items()
        ]
        return [
            (field.verbose_name, _shown(field, value))
            for field, value in fields
            if value not in (None, "", {}) and not isinstance(value, UUID)
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return the values for JSON, with the events."""
        values = {name: _as_json(value) for name, value in self.values.items()}
        if self.model is not Mail:
            return values
        return values | {"events": [{"kind": _kind(each.model), **each.as_dict()} for each in self.events]}


class Passage(NamedTuple):
    """A part of a row about others that names the person: the model, the field, the time and the text."""

    model: type[Model]
    field: str
    at: datetime | None
    text: str

    @property
    def title(self) -> str:
        """Return what kind of row and which of its fields it is from."""
        field: Any = self.model._meta.get_field(self.field)
        return f"{self.model._meta.verbose_name}: {field.verbose_name}"

    def as_dict(self) -> dict[str, Any]:
        """Return the passage for JSON."""
        at = _as_json(self.at)
        return {"kind": _kind(self.model), "field": self.field, "at": at, "passage": self.text}


class Disclosure(NamedTuple):
    """All stored data about one person."""

    address: str
    made_at: datetime
    entries: Sequence[Entry]
    passages: Sequence[Passage]

    @property
    def rows(self) -> int:
        """Return the number of rows about the person, events of mails included."""
        return sum(1 + len(entry.events) for entry in self.entries)

    def as_dict(self) -> dict[str, Any]:
        """Return the data for JSON: rows by their kind, then passages."""
        kinds = ("mail", "blockevent", "rejectedevent", "suppression", "trail")
        return {
            "address": self.address,
            "made_at": self.made_at.isoformat(),
            **{
                kind: [each.as_dict() for each in self.entries if _kind(each.model) == kind] for kind in kinds
            },
            "passages": [passage.as_dict() for passage in self.passages],
        }


def as_html(disclosure: Disclosure) -> str:
    """Return a page that can be handed over, in the active language. It needs no other file."""
    return render_to_string("cmc_webhooks/disclosure.html", {"disclosure": disclosure})


def disclose(address: str, *, using: str | None = None, actor: audit.Actor = _PROGRAM) -> Disclosure:
    """Return all stored data about a person, given by an address in any spelling.

    It is found as `erase` finds it: what that blanks is disclosed. The tables are read as a whole. `using` is
    the alias of the app's database. `actor` is who discloses and why: it is recorded, see `Trail`.

    Raises:
        ValueError: the text is not a valid address.
        transactions.Unavailable: the database is unavailable.
    """
    if not blanking.is_address(address):
        raise ValueError("not a valid address")
    using = using or routing.write_alias()
    bare = wire.canonical_mailbox(address)
    begun = partial(audit.begin, Trail.Actions.DISCLOSED, actor, address=bare, using=using)
    with transactions.run(using, begun) as record:
        found = transactions.run(using, partial(_found, using, bare, record.key))
        record.add(found.rows)
        record.details |= {"passages": len(found.passages)}
    return found


def _found(using: str, address: str, record: UUID) -> Disclosure:
    """Return the data. `record` is the row of the trail about this disclosure, which is left out."""
    entries: list[Entry] = []
    passages: list[Passage] = []
    own = set[UUID]()
    for row in _own_rows(using, address, record):
        entries.append(_about(row, address))
        own.add(row.pk)
    for rejected in _in_chunks(RejectedEvent._default_manager.using(using).exclude(raw="")):
        parsed = matching.parsed(rejected.raw)
        if not matching.names(parsed, address):
            continue
        if _is_only_recipient(parsed, address):
            entries.append(_entry(rejected))
            own.add(rejected.pk)
        else:
            passages += _passages(rejected, {"raw": parsed}, address)
    mails = {entry.values["id"] for entry in entries if entry.model is Mail}
    for row in blanking.naming(using, address):
        model: Any = type(row)
        if row.pk in own or getattr(row, "mail_id", None) in mails:
            continue
        texts = {name: getattr(row, name) for name in blanking.TEXTS[model]}
        if not matching.names(texts, address):
            continue
        whole = model._default_manager.using(using).filter(pk=row.pk).first()
        if whole is None:  # it was deleted meanwhile
            continue
        if any(matching.names(texts.get(name), address) for name in blanking.WHOM):
            entries.append(_about(whole, address))
            mails.add(row.pk)
        else:
            passages += _passages(whole, texts, address)
    return Disclosure(address, datetime.now(UTC), entries, passages)


def _own_rows(using: str, address: str, record: UUID) -> Iterator[Any]:
    """Yield the rows about the person, but for rejected events and for rows that only name the person."""
    yield from _in_chunks(Mail.objects.using(using).for_address(address))
    yield from _in_chunks(BlockEvent.objects.using(using).for_address(address))
    decisions = Suppression._default_manager.using(using)
    yield from decisions.filter(Q(address_key=wire.address_key(address)) | Q(address=address[:320])).order_by(
        "pk"
    )
    trail = Trail._default_manager.using(using).filter(address_hash__in=audit.address_hashes(address))
    yield from trail.exclude(pk=record).order_by("pk")


def _in_chunks(rows: Any) -> Iterator[Any]:
    for chunk in chunks.in_chunks(rows):
        yield from chunk


def _entry(row: Any) -> Entry:
    names = _OF_TRAIL if isinstance(row, Trail) else [field.attname for field in row._meta.concrete_fields]
    values = {name: getattr(row, name) for name in names}
    return Entry(type(row), values, _events(row) if isinstance(row, Mail) else ())


def _events(mail: Mail) -> list[Entry]:
    """Return the events of a mail, in the order of their keys."""
    events: list[Any] = [
        event
        for model in MAIL_EVENT_MODELS
        for event in model._default_manager.using(mail._state.db).filter(mail_id=mail.pk)
    ]
    return [_entry(event) for event in sorted(events, key=lambda event: event.pk)]


def _about(row: Any, address: str) -> Entry:
    """Return a row about the person. If it is about others too, values that name them are reduced."""
    whom = " ".join(getattr(row, name, "") for name in blanking.WHOM)
    others = matching.others(whom, address)
    entry = _without(_entry(row), others, address)
    if "domain" in entry.values and others:  # it is that of one of them
        entry.values["domain"] = wire.domain_of(address)
    return entry


def _without(entry: Entry, others: Iterable[str], address: str) -> Entry:
    """Return an entry in which each text that names one of the others is reduced to what names the person."""

    def kept(value: Any) -> Any:
        if not any(matching.names(value, other) for other in others):
            return value
        if isinstance(value, dict):
            return {
                name: kept(inner)
                for name, inner in value.items()
                if not any(matching.names(name, o) for o in others)
            }
        if isinstance(value, list):
            return [kept(inner) for inner in value]
        return ", ".join(matching.passages(value, address)) or _ELSEWHERE

    values = {name: kept(value) for name, value in entry.values.items()}
    return Entry(entry.model, values, [_without(event, others, address) for event in entry.events])


def _passages(row: Any, texts: dict[str, Any], address: str) -> list[Passage]:
    moments = (
        getattr(row, name, None) for name in ("occurred_at", "received_at", "created_at", "decided_at", "at")
    )
    at = next(filter(None, moments), None)
    return [
        Passage(type(row), name, at, text)
        for name, value in texts.items()
        for text in matching.passages(value, address, with_words=name in _BY_MACHINES)
    ]


def _is_only_recipient(parsed: Any, address: str) -> bool:
    """Return whether a rejected event names the person, and nobody else, as its recipient.

    `parsed` has objects as lists of pairs, see `matching.parsed`.
    """
    pairs = [pair for pair in parsed if isinstance(pair, list)] if isinstance(parsed, list) else []
    whom = [*_texts([pair[1] for pair in pairs if len(pair) > 1 and pair[0] in _RECIPIENT_NAMES])]
    return matching.names(whom, address) and not any(matching.others(text, address) for text in whom)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _kind(model: type[Model]) -> str:
    return str(model._meta.model_name)


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return timezones.to_aware(value).isoformat()
    return str(value) if isinstance(value, UUID) else value


def _shown(field: Any, value: Any) -> Any:
    """Return a value as people read it."""
    if field.choices:
        return dict(field.flatchoices).get(value, value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, datetime):
        zone = timezone.get_current_timezone_name()
        return f"{timezones.format_local(value)} ({zone})"
    return value
