"""One item of an event list -> a typed record: one frozen dataclass for each kind of event.

Fields of version 1 are mapped to those of version 2. Sources: https://smtps.jp/docs-en/apiv2/webhook/event
(version 2), https://smtps.jp/docs/apiv1/webhook/event (version 1), https://smtps.jp/docs-en/apiv2/te/blocks
(the only published description of a block; its event is read leniently).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

from cmc_webhooks.wire import body, keys
from cmc_webhooks.wire.text import clean, is_clean_line, one_line, replace_astral

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

_CREATED = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d{1,6})?)\s*(Z|[+-]\d\d:?\d\d)?", re.ASCII)
# Two days short of the end, so that no zone can push a time past the last year that Python knows.
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
# A server's answer may have several lines; everything else with a field is one.
_MULTILINE = frozenset({"reason"})
_LONG = 64
# What makes two names of one value possible, or is removed.
_ODD_NAMES = frozenset({"envelopeTo", "envelopeFrom", "email", "api_key"})
_dumps = json.JSONEncoder(ensure_ascii=False).encode


class BadRecord(ValueError):
    """One event cannot be stored; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An event as it was sent, cleaned: every value is text, and an absent one is "".

    `created` is CMC's clock, naive unless an offset was sent; None if it was absent or no time that exists.
    `created_text` is how it was written.
    """

    WIRE_NAMES: ClassVar[Mapping[str, str]] = {}
    STRICT: ClassVar[bool] = True

    key: UUID
    position: int
    server_composition: str = ""
    created: datetime | None = None
    created_text: str = ""

    @classmethod
    def of(cls, event_type: str, server_composition: str, position: int, item: Any) -> Self:
        """The record inside one item of an event list.

        Raises:
            BadRecord: the item is no object, gives a name twice, or has a list or an object for a text.
        """
        if not isinstance(item, dict):
            raise BadRecord("not an object")
        if is_plain(item):
            values, extra = _split_plain(item, cls.WIRE_NAMES)
        else:
            item = as_text(item)
            values, extra = _split(item, cls.WIRE_NAMES, strict=cls.STRICT)
        created = moment(values.get("created", ""))
        key = keys.event_key(event_type, server_composition, values, extra, created)
        created_text = values.pop("created", "")
        if created_text and created is None:
            extra["created"] = created_text
        return cls(
            key=key,
            position=position,
            server_composition=server_composition,
            created=created,
            created_text=created_text,
            **cls._kept(item, extra),
            **values,
        )

    def as_sent(self) -> dict[str, Any]:
        """The event by CMC's names, as near to what was sent as a record can tell."""
        sent = {own: getattr(self, name) for name, own in self.wire_names().items()}
        sent["created"] = self.created_text
        return {name: value for name, value in sent.items() if value}

    @classmethod
    def wire_names(cls) -> dict[str, str]:
        """Our names and CMC's of version 2 for them."""
        return {name: wire_name for wire_name, name in reversed(list(cls.WIRE_NAMES.items()))}

    @staticmethod
    def _kept(item: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
        """The field that holds what the others do not."""
        return {"extra": extra}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailRecord(Record):
    """What deliveries and bounces share: a fact about one message and one recipient.

    `extra` holds, by CMC's names, what has no field of its own, an unusable `created` included.
    """

    message_id: str = ""
    recipient: str = ""
    header_from: str = ""
    return_path: str = ""
    subject: str = ""
    api_data: str = ""
    reason: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def as_sent(self) -> dict[str, Any]:
        return {**Record.as_sent(self), **self.extra}


_MAIL_NAMES = {
    "created": "created",
    "messageId": "message_id",
    "to": "recipient",
    "from": "header_from",
    "returnPath": "return_path",
    "subject": "subject",
    "apiData": "api_data",
    "reason": "reason",
    "envelopeTo": "recipient",
    "envelopeFrom": "return_path",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRecord(MailRecord):
    """One item of `event.deliveries`."""

    WIRE_NAMES = {**_MAIL_NAMES, "status": "status", "sourceIp": "source_ip", "senderIp": "sender_ip"}

    status: str = ""
    source_ip: str = ""
    sender_ip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceRecord(MailRecord):
    """One item of `event.bounces`; its code is what CMC calls `status`."""

    WIRE_NAMES = {**_MAIL_NAMES, "status": "bounce_code"}

    bounce_code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRecord(Record):
    """One item of `event.blocks`. No sample is published: nothing is required, `raw` holds all of it."""

    STRICT = False

    WIRE_NAMES = {
        "created": "created",
        "email": "recipient",
        "to": "recipient",
        "status": "bounce_code",
        "occurred": "occurrences",
    }

    recipient: str = ""
    bounce_code: str = ""
    occurrences: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)

    def as_sent(self) -> dict[str, Any]:
        return dict(self.raw)

    @staticmethod
    def _kept(item: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
        return {"raw": item}


def within_bmp(record: Record) -> Record:
    """The record, its key unchanged, for tables in a 3-byte charset: see `text.replace_astral`."""
    tame = {
        each.name: json.loads(replace_astral(json.dumps(value, ensure_ascii=False)))
        for each in fields(record)
        if isinstance(value := getattr(record, each.name), str | dict)
    }
    return replace(record, **tame)


def is_plain(item: dict[str, Any]) -> bool:
    """Whether an item is what CMC sends nearly always: version 2, clean texts of one line, nothing else."""
    if type(item) is not dict or not _ODD_NAMES.isdisjoint(item):
        return False
    try:
        return is_clean_line("".join((*item, *item.values())))
    except TypeError:  # a value is no text
        return False


def _split_plain(item: dict[str, str], names: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Any]]:
    """What `_split` makes of a plain item."""
    values: dict[str, str] = {}
    extra: dict[str, Any] = {}
    for wire_name, text in item.items():
        if text and (name := names.get(wire_name)):
            values[name] = text
        elif text:
            extra[wire_name] = text
    return values, extra


def _split(
    item: dict[str, Any], names: Mapping[str, str], *, strict: bool
) -> tuple[dict[str, str], dict[str, Any]]:
    """An item's values by our names, and the rest by CMC's. Empty values are as good as absent.

    Where a text should be but is none, `strict` raises BadRecord; else the value is part of the rest. So is
    a version 1 value that disagrees with its version 2 twin.
    """
    values: dict[str, str] = {}
    extra = {name: value for name, value in item.items() if name not in names and value not in ("", None)}
    for wire_name, name in names.items():
        value = item.get(wire_name)
        if value is None or value == "":
            continue
        if not isinstance(value, str):
            if strict:
                raise BadRecord(f"{wire_name} is not text")
            extra[wire_name] = value
            continue
        text = value if name in _MULTILINE else one_line(value)
        if values.setdefault(name, text) != text:
            extra[wire_name] = text
    return values, extra


def as_text(value: Any) -> Any:
    """`value` with every scalar as cleaned text and without API keys, at any depth; null stays.

    Raises:
        BadRecord: an object gives a name twice.
    """
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, body.Ambiguous):
        raise BadRecord(f"{_quoted(value.twice)} is given twice")
    if isinstance(value, dict):
        return {clean(name): as_text(inner) for name, inner in value.items() if name != "api_key"}
    if isinstance(value, list):
        return [as_text(inner) for inner in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value is None else str(value)


def as_json(value: Any, without: frozenset[str] = frozenset({"api_key"})) -> str:
    """`value` as clean JSON text without what has these names; one that stood twice stands there twice."""
    if isinstance(value, dict):
        pairs = value.pairs if isinstance(value, body.Ambiguous) else value.items()
        members = [
            f"{_dumps(clean(name))}: {as_json(inner, without)}"
            for name, inner in pairs
            if name not in without
        ]
        return f"{{{', '.join(members)}}}"
    if isinstance(value, list):
        return f"[{', '.join(as_json(inner, without) for inner in value)}]"
    return _dumps(as_text(value))


def moment(text: str) -> datetime | None:
    """The time that a `created` tells, naive unless it has an offset; None if it is no time that exists."""
    # the events of a notification share seconds; a long text must not stay in memory
    return _moment(text) if len(text) < _LONG else _moment.__wrapped__(text)


@lru_cache(maxsize=1024)
def _moment(text: str) -> datetime | None:
    match = _CREATED.fullmatch(text.strip(" \t"))
    if match is None:
        return None
    day, time, offset = match.groups()
    try:
        created = datetime.fromisoformat(f"{day} {time}{offset or ''}")
    except ValueError:
        return None
    return created if _FIRST <= created.replace(tzinfo=UTC) < _LAST else None


def _quoted(names: Iterable[str]) -> str:
    """Names that a sender chose, fit for a message of one short line."""
    return one_line(clean(", ".join(sorted(names))))[:64]
