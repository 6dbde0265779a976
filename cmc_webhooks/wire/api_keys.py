"""The API key inside a body, found before the rest of the body is parsed.

Anybody may post, and the key is inside the body. What is done before the key is known costs little more time
and memory than the body has bytes, whatever they are: values are passed over and not built, fields are few,
and only a name or a key that is short is decoded. `body` parses the rest, and decides where both disagree.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from cmc_webhooks.wire import body
from cmc_webhooks.wire.body import MAX_FIELDS, MAX_NESTING, BadBody

if TYPE_CHECKING:
    from collections.abc import Iterator

API_KEY = "api_key"
MAX_KEY_BYTES = 64 * 1024
"""The length of a key as it is written in a body. A longer one counts as wrong."""

MAX_BRACKETS = 100_000
"""Opening brackets of a JSON body, or one for each 20 of its bytes if that is more. 1,000 events have 1,002.

They are counted in texts too. Lists and objects are what costs most to pass over.
"""
_BYTES_PER_BRACKET = 20

_MAX_NAME_BYTES = 256  # a name of ours, each of its characters escaped

# Charsets whose bytes below 0x80 are ASCII and never part of another character.
_LIKE_ASCII = frozenset({"utf-8", "latin-1", "cp1252"})

# All repeats are possessive: nothing is tried twice, so time is linear and no memory is used. What stands
# between texts and containers follows each of them: as an alternative it would take twice the time.
_TEXT = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'


def _container(depth: int) -> bytes:
    """Return the pattern of a list or an object with at most `depth` levels, itself included."""
    inner = b""
    for _ in range(depth):
        inner = rb'|[\[{][^"\[\]{}]*+(?:(?:' + _TEXT + inner + rb')[^"\[\]{}]*+)*+[\]}]'
    return inner[1:]


_BLANKS = rb"[ \t\n\r]*+"
_SCALAR = rb"-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][-+]?+[0-9]++)?+|true|false|null"
_VALUE = rb"|".join([_TEXT, _SCALAR, _container(MAX_NESTING - 1)])
_BEGIN = re.compile(rb"\{" + _BLANKS + rb"(\})?")
_END = re.compile(_BLANKS + rb"\Z")
_MEMBER = re.compile(
    rb"%b(%b)%b:%b(%b)%b([,}])" % (_BLANKS, _TEXT, _BLANKS, _BLANKS, _VALUE, _BLANKS), re.DOTALL
)


def api_keys_in(sent: bytes, content_type: str = "") -> Iterator[Any]:
    """Yield the `api_key` of a body; a value that is not a text or a number as None.

    There is at most one, but the body behind it is not looked at before the next is asked for.

    Raises:
        BadBody: the body cannot be a notification, or gives a field twice.
        ReceivedMail: the body is a received mail and has no further key.
        UnsupportedCharset: a charset that is needed to read the key is not supported.
    """
    start, charset, is_json, boundary = body.layout(sent, content_type)
    if boundary:
        fields = _multipart_fields(start, boundary, charset)
    else:
        fields = (_json_fields if is_json else _form_fields)(_Source.of(start, charset), charset)
    names = set()
    for name, value in fields:
        if name in names and name in body.UNIQUE_FIELDS:
            raise BadBody(f"ambiguous: {name} is given twice")
        names.add(name)
        if name == API_KEY:
            yield value
    if not is_json:
        body.check_form_names(names)
    elif body.is_received_mail(names):
        raise body.ReceivedMail


class _Source(NamedTuple):
    """A body as bytes whose ASCII is that of its text. `text` is None if any part of them can be decoded."""

    ascii: bytes
    charset: str
    text: str | None

    @classmethod
    def of(cls, start: bytes, charset: str) -> _Source:
        if charset in _LIKE_ASCII:
            return cls(start, charset, None)
        text = start.decode(charset, "replace")
        return cls(text.encode("ascii", "replace"), charset, text)

    def part(self, start: int, end: int) -> str:
        """Return the text of these bytes."""
        if self.text is not None:
            return self.text[start:end]
        return self.ascii[start:end].decode(self.charset, "replace")


def _json_fields(source: _Source, charset: str) -> Iterator[tuple[str, str | None]]:
    """Yield the names of the members of an object, and the value if the name is that of the key."""
    begin = _BEGIN.match(source.ascii)
    if begin is None:
        is_json = source.ascii[:1] in b'["'
        raise BadBody("the body is JSON, but no object" if is_json else "the body is not JSON")
    most = max(MAX_BRACKETS, len(source.ascii) // _BYTES_PER_BRACKET)
    if source.ascii.count(b"[") + source.ascii.count(b"{") > most:
        raise BadBody(f"the body has more than {most:,} opening brackets")
    position, end = begin.end(), begin[1] is not None
    for _ in range(MAX_FIELDS):
        if end:
            break
        member = _MEMBER.match(source.ascii, position)
        if member is None:
            raise BadBody(f"the body is not JSON, or is nested deeper than {MAX_NESTING}")
        name = _short(source, member.span(1), _MAX_NAME_BYTES)
        yield name or "", _short(source, member.span(2), MAX_KEY_BYTES) if name == API_KEY else None
        position, end = member.end(), member[3] == b"}"
    if not end:
        raise BadBody(f"the body has more than {MAX_FIELDS} fields")
    if not _END.match(source.ascii, position):
        raise BadBody("the body is not JSON")


def _short(source: _Source, span: tuple[int, int], limit: int) -> str | None:
    """Return a text or number of JSON, None if it is another value or longer than `limit`."""
    start, end = span
    if end - start > limit or source.ascii[start : start + 1] in b"[{":
        return None
    value = body.load(source.part(start, end), "the body")
    return value if isinstance(value, str) else None


def _form_fields(source: _Source, charset: str) -> Iterator[tuple[str, str | None]]:
    """Yield the fields of a form as `urllib.parse.parse_qsl` does, without the value unless it is the key."""
    text = source.ascii
    if text.count(b"&") >= MAX_FIELDS:
        raise BadBody(f"the form has more than {MAX_FIELDS} fields")
    last = len(text.rstrip(body.BLANKS))
    position = len(text) - len(text.lstrip(body.BLANKS))
    while position < last:
        end = text.find(b"&", position)
        end = last if end < 0 else end
        equals = text.find(b"=", position, end)
        equals = end if equals < 0 else equals
        if equals - position <= _MAX_NAME_BYTES and end > position:
            name = _unquoted(source.part(position, equals), charset)
            value = None
            if name == API_KEY and end - equals <= MAX_KEY_BYTES:
                value = _unquoted(source.part(equals + 1, end), charset)
            yield name, value
        position = end + 1


def _unquoted(raw: str, charset: str) -> str:
    return unquote(raw.replace("+", " "), charset)


def _multipart_fields(text: bytes, boundary: bytes, charset: str) -> Iterator[tuple[str, str | None]]:
    for name, own, value in body.parts(text, boundary):
        if name != API_KEY or len(value) > MAX_KEY_BYTES:
            yield name, None
        else:
            yield name, value.decode(body.codec(own) if own else charset, "replace")
