"""Item of an event list -> typed record: one frozen dataclass for each kind of event.

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
from cmc_webhooks.wire.encoded_words import decode_words
from cmc_webhooks.wire.text import BLANKS, clean, is_clean_line, one_line, replace_astral

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

_CREATED = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d{1,6})?)\s*(Z|[+-]\d\d:?\d\d)?", re.ASCII)
# Two days before the end, so that no zone can shift a time past the last year that Python supports.
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
# A server's answer may have several lines; the text of every other field has one.
_MULTILINE = frozenset({"reason"})
_LONG = 64
# Names that allow a value to have two names, or that are removed.
_ODD_NAMES = frozenset({"envelopeTo", "envelopeFrom", "email", "api_key"})
_PLAIN = frozenset({str})
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_dumps = json.JSONEncoder(ensure_ascii=False).encode


class BadRecord(ValueError):
    """The event cannot be stored. The message gives the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An event as it was sent, cleaned: every value is text, and an absent one is "".

    The fields of `WORDS`, which are compared with a list, ordered or filtered by, lose the blanks around
    them. The event key is made of the values with their blanks.

    `created` is CMC's clock, naive unless an offset was sent; None if it was absent or not a valid time.
    `created_text` is its text as sent.
    """

    WIRE_NAMES: ClassVar[Mapping[str, str]] = {}
    STRICT: ClassVar[bool] = True
    WORDS: ClassVar[tuple[str, ...]] = ()

    key: UUID
    position: int
    server_composition: str = ""
    created: datetime | None = None
    created_text: str = ""

    @classmethod
    def of(cls, event_type: str, server_composition: str, position: int, item: Any) -> Self:
        """Return the record of one item of an event list.

        Raises:
            BadRecord: the item is not an object, gives a name twice, or, where `STRICT`, has a list or an
                object in place of a text.
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
        for name in cls.WORDS:
            text = values.get(name, "")
            if text and (word := text.strip(BLANKS)) != text:
                values[name] = word
                extra[cls.wire_names()[name]] = text
        subject = values.get("subject", "")
        if "=?" in subject and (decoded := decode_words(subject)) != subject:
            values["subject"], extra["subject"] = decoded, subject
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
        """Return the event by CMC's names, as close to what was sent as the record allows."""
        sent = {own: getattr(self, name) for name, own in self.wire_names().items()}
        sent["created"] = self.created_text
        return {name: value for name, value in sent.items() if value}

    @classmethod
    def wire_names(cls) -> dict[str, str]:
        """Return CMC's names of version 2, keyed by our names."""
        return {name: wire_name for wire_name, name in reversed(list(cls.WIRE_NAMES.items()))}

    @staticmethod
    def _kept(item: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
        """Return the field that holds what the other fields do not."""
        return {"extra": extra}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailRecord(Record):
    """The common base of deliveries and bounces: a fact about one message and one recipient.

    `extra` holds, by CMC's names, the values without a field here, those that lost blanks, a subject that was
    in encoded words, and an unusable `created`.
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
    WORDS = ("status", "header_from", "api_data", "source_ip", "sender_ip")

    status: str = ""
    source_ip: str = ""
    sender_ip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceRecord(MailRecord):
    """One item of `event.bounces`. Its code is the field that CMC calls `status`."""

    WIRE_NAMES = {**_MAIL_NAMES, "status": "bounce_code"}
    WORDS = ("bounce_code", "header_from", "api_data")

    bounce_code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRecord(Record):
    """One item of `event.blocks`. No sample is published, so nothing is required and `raw` holds it all."""

    STRICT = False
    WORDS = ("bounce_code", "occurrences")

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


def replace_astral_in_record(record: Record) -> Record:
    """Return the record for tables in a 3-byte charset, its key unchanged, see `text.replace_astral`."""
    replaced = {
        each.name: json.loads(replace_astral(json.dumps(value, ensure_ascii=False)))
        for each in fields(record)
        if isinstance(value := getattr(record, each.name), str | dict)
    }
    return replace(record, **replaced)


def is_plain(item: dict[str, Any]) -> bool:
    """Return True if an item is as CMC nearly always sends it: version 2, only clean texts of one line."""
    if type(item) is not dict or not _ODD_NAMES.isdisjoint(item):
        return False
    if not _PLAIN.issuperset(map(type, item.values())):
        return False
    return is_clean_line("".join((*item, *item.values())))


def _split_plain(item: dict[str, str], names: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return what `_split` returns for a plain item."""
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
    """Return an item's values by our names, and the rest by CMC's. Empty values count as absent.

    A version 1 value that differs from its version 2 counterpart is part of the rest. So is a value that
    should be a text but is not, unless `strict`.

    Raises:
        BadRecord: with `strict`, a value that should be a text is not.
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
    """Return `value` with every scalar as cleaned text and without API keys, at any depth; null stays null.

    Raises:
        BadRecord: an object gives a name twice.
    """
    if isinstance(value, str):
        return clean(str(value))
    if isinstance(value, body.Ambiguous):
        raise BadRecord(f"{_listed(value.twice)} given twice")
    if isinstance(value, dict):
        return {clean(name): as_text(inner) for name, inner in value.items() if name != "api_key"}
    if isinstance(value, list):
        return [as_text(inner) for inner in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value is None else str(value)


def as_json(value: Any, without: frozenset[str] = frozenset({"api_key"})) -> str:
    """Return the JSON of a parsed value as it was sent, without members of these names.

    A name given twice stays twice. Texts are cleaned.
    """
    if isinstance(value, dict):
        pairs = value.pairs if isinstance(value, body.Ambiguous) else value.items()
        members = [
            f"{json_text(name)}: {as_json(inner, without)}" for name, inner in pairs if name not in without
        ]
        return f"{{{', '.join(members)}}}"
    if isinstance(value, list):
        return f"[{', '.join(as_json(inner, without) for inner in value)}]"
    if isinstance(value, body.Number):
        return str(value)
    return json_text(value) if isinstance(value, str) else _dumps(value)


def ascii_json(text: str) -> str:
    """Return the same JSON with escapes in place of all that is not ASCII, which fits any table."""
    return text if text.isascii() else _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)


def json_text(text: str) -> str:
    """Return the JSON of a text, cleaned."""
    return _dumps(clean(text))


def moment(text: str) -> datetime | None:
    """Return the time of a `created`, naive unless it has an offset; None if it is not a valid time."""
    # Cached, since the events of a notification share seconds. A long text must not stay in memory
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


def _listed(names: frozenset[str]) -> str:
    """Return names for a message: those of CMC, and the number of others, which may hold anything."""
    listed = sorted(names & _KNOWN_NAMES)
    if others := len(names) - len(listed):
        listed.append(f"{others} other name{'s' if others > 1 else ''}")
    return f"{', '.join(listed)} {'is' if len(names) == 1 else 'are'}"


_KNOWN_NAMES = frozenset().union(*(kind.WIRE_NAMES for kind in (DeliveryRecord, BounceRecord, BlockRecord)))
