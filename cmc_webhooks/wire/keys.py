"""Primary keys derived from what was sent, so that the same fact always has the same key.

All are UUIDs of version 8 (RFC 9562, section 5.8) whose byte 8 is in B0 to BF. MariaDB's uuid type refuses
some other version 8 values and reorders others. It orders these by their bytes, as SQLite and PostgreSQL do.
That leaves 120 bits: 60 before byte 8 and 60 after it.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from json.encoder import encode_basestring as _quoted
from secrets import randbits
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cmc_webhooks.wire.text import address_forms

if TYPE_CHECKING:
    from collections.abc import Mapping

_HALF = 60
_HALF_MASK = (1 << _HALF) - 1
_HASH_BITS = 72
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - compared with wall clocks
_canonical = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def event_key(
    event_type: str,
    server_composition: str,
    values: Mapping[str, str],
    extra: Mapping[str, Any],
    created: datetime | None,
) -> UUID:
    """Return the key of one event: 48 bits of its time, then 72 bits of BLAKE2b over its canonical form `k1`.

    `values` are the event's values as sent, cleaned and as text, by our names; `extra` is the rest, by CMC's
    names.
    """
    # The text that `_canonical` writes for a list of the five, in less than half the time
    names, form = _form(tuple(values))
    texts = [_quoted(values[name]) for name in names]
    rest = _canonical(extra) if extra else "{}"
    form %= (_quoted(event_type), _quoted(server_composition), *texts, rest)
    return _uuid8(_milliseconds(created) << _HASH_BITS | _hash(form, _HASH_BITS // 8))


@lru_cache(maxsize=256)
def _form(names: tuple[str, ...]) -> tuple[list[str], str]:
    """Return the names in their order, and the canonical form with placeholders for the values."""
    ordered = sorted(names)
    places = ",".join([_quoted(name).replace("%", "%%") + ":%s" for name in ordered])
    return ordered, f'["k1",%s,%s,{{{places}}},%s]'


def mail_key(message_id: str, server_composition: str, address: str, event: UUID) -> UUID:
    """Return the key of one message to one recipient. In key order, recipients of one message are neighbours.

    Takes the bare message id and the normalised address. An event without a message id is a separate mail
    whose key is made from the event's. One without a recipient shares only the first half with its message.
    """
    first = _half("message", message_id) if message_id else _half("event", str(event))
    if message_id and address:
        last = _half("recipient", server_composition, address)
    else:
        last = _half("event", str(event))
    return _uuid8(first << _HALF | last)


def message_range(message_id: str) -> tuple[UUID, UUID]:
    """Return the least and the greatest key that a mail with this bare message id can have."""
    first = _half("message", message_id) << _HALF
    return _uuid8(first), _uuid8(first | _HALF_MASK)


def rejection_key(event_type: str, server_composition: str, raw: str) -> UUID:
    """Return the key of an event that could not be stored. The same text again has the same key."""
    return _uuid8(_hash(_canonical(["rejected", event_type, server_composition, raw]), 15))


def count_key(*parts: str) -> UUID:
    """Return the key of a row of counts: a hash of what the row counts."""
    form = _canonical(["count", *parts])
    return _uuid8(_hash(form, 2 * _HALF // 8))


def decision_key(address: str, composition: str = "", *kind: str) -> UUID:
    """Return the key of a decision about a canonical mailbox, the same for all forms of its domain.

    `composition` is the server composition that it is about, "" for all. What is kept beside a person's
    decision has a `kind` in its key.
    """
    if not composition and not kind:
        return address_key(address)
    form = _canonical(["address", address_forms(address)[0], composition, *kind])
    return _uuid8(_hash(form, 2 * _HALF // 8))


def address_key(address: str) -> UUID:
    """Return the key of a canonical mailbox, the same for all forms of its domain."""
    return UUID(int=int(address_key_hex(address), 16))


def address_key_hex(address: str) -> str:
    """Return the 32 hexadecimal digits of `address_key`, in less than half of its time."""
    text = f'["address",{_quoted(address_forms(address)[0])}]'  # JSON as `_canonical` writes it
    digits = blake2b(text.encode(), digest_size=2 * _HALF // 8).hexdigest()
    return f"{digits[:12]}8{digits[12:15]}b{digits[15:]}"  # as `_uuid8` places the bits


def time_key(ms: int, sequence: int = 0) -> UUID:
    """Return a new key: `ms` since 1970, `sequence` (below 4096) within that moment, then random bits."""
    return _uuid8(ms << _HASH_BITS | sequence << _HALF | randbits(_HALF))


def key_at(moment: datetime) -> UUID:
    """Return the least event key for a `created` of this wall clock, whatever the zone."""
    return _uuid8(_milliseconds(moment) << _HASH_BITS)


def key_ms(key: UUID) -> int:
    """Return the time in an event key: milliseconds of CMC's wall clock since 1970, 0 if it has none."""
    return key.int >> 80


UNTIMED_END = UUID(int=1 << 80)
"""Greater than every key of an event without a usable `created`, less than every other event key."""


def _milliseconds(moment: datetime | None) -> int:
    if moment is None:
        return 0
    since = moment.replace(tzinfo=None) - _EPOCH
    return max(0, since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000)


def _uuid8(bits: int) -> UUID:
    first, last = bits >> _HALF, bits & _HALF_MASK
    return UUID(int=(first >> 12) << 80 | 0x8 << 76 | (first & 0xFFF) << 64 | 0xB << 60 | last)


def _hash(form: str, size: int) -> int:
    return int.from_bytes(blake2b(form.encode(), digest_size=size).digest(), "big")


def _half(*texts: str) -> int:
    return _hash(f"[{','.join(map(_quoted, texts))}]", 8) >> 4  # JSON as `_canonical` writes it
