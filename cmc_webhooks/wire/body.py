"""Body -> frame: JSON, form or multipart, distinguished by the body first, then by its Content-Type.

Source: https://smtps.jp/docs-en/apiv2/webhook (content types), https://smtps.jp/docs-en/apiv2/webhook/event
(fields), RFC 7578 (multipart/form-data).
"""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

MAX_NESTING = 20
MAX_INTEGER_DIGITS = 32
MAX_FIELDS = 100

FRAME_FIELDS = frozenset({"api_key", "server_composition", "event_type", "event"})
UNIQUE_FIELDS = frozenset({"api_key", "event_type", "event"})
# Fields of CMC's other webhook, which posts received mails (https://smtps.jp/docs-en/apiv2/webhook/inbound).
RECEIVED_MAIL_FIELDS = frozenset({"filter", "headers", "envelope-from", "envelope-to"})
BLANKS = b" \t\r\n\v\f"
"""The blanks before and after a body. Those of Unicode are part of a value."""
_BLANK_LINE = re.compile(rb"^\r?\n", re.MULTILINE)
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_HEADERS = re.compile(
    r"^[ \t]*+(content-disposition|content-type)[ \t]*+:([^\r\n]*+)", re.IGNORECASE | re.MULTILINE
)
_MAX_HEADER = 1024
_MAX_PART_HEAD = 2048

# Names that Python's codecs do not know (IANA's registry; WHATWG Encoding, section 4.2).
_CHARSET_ALIASES = {
    "csutf8": "utf-8",
    "cswindows1252": "cp1252",
    "x-cp1252": "cp1252",
    "x-sjis": "shift_jis",
    "windows-31j": "cp932",
    "cswindows31j": "cp932",
    "x-ms-cp932": "cp932",
    "x-euc-jp": "euc_jp",
    "cseucpkdfmtjapanese": "euc_jp",
    "extended_unix_code_packed_format_for_japanese": "euc_jp",
}
# Name of Python's codec -> the codec used here. ASCII is a subset of UTF-8 and is read as UTF-8.
_CHARSETS = {
    "utf-8": "utf-8",
    "utf-8-sig": "utf-8",
    "ascii": "utf-8",
    "iso8859-1": "latin-1",
    "cp1252": "cp1252",
    "iso2022_jp": "iso2022_jp",
    "shift_jis": "shift_jis",
    "cp932": "cp932",
    "euc_jp": "euc_jp",
}


class BadBody(ValueError):
    """The body is not a notification. The message names the fault and its place, without quoting the body."""


class ReceivedMail(BadBody):
    """The body is a received mail, which CMC's Inbound webhook posts, and not a notification."""

    def __init__(self) -> None:
        super().__init__(
            "this is a received mail (Inbound webhook of CMC), and this URL takes delivery events only: "
            "enter another URL for the Inbound webhook in CMC's console"
        )


class UnsupportedCharset(ValueError):
    """The declared charset of the body is not supported."""


class Number(str):
    """A JSON number, as the text that was sent: no size or precision is lost, and 2 equals "2"."""

    __slots__ = ()


_FLAT = frozenset({str, Number, bool, type(None)})


class Ambiguous(dict[str, Any]):
    """A JSON object that gives a name twice: `twice` holds those names, `pairs` all members in order."""

    twice: frozenset[str] = frozenset()
    pairs: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The outer fields of one POST as they came. Nothing is checked; `api_key` may be any value."""

    api_key: Any = field(default=None, repr=False)
    server_composition: Any = None
    event_type: Any = None
    event: Any = field(default=None, repr=False)


class Layout(NamedTuple):
    """A body without its byte order mark and leading blanks, and how to read it.

    `boundary` is None unless the body is multipart.
    """

    start: bytes
    charset: str
    is_json: bool
    boundary: bytes | None


def layout(body: bytes, content_type: str) -> Layout:
    """Return how to read a body. Only its first line and its Content-Type are looked at.

    Raises:
        BadBody: the body is empty.
        UnsupportedCharset: `content_type` declares an unsupported charset.
    """
    charset = codec(_parameter(content_type, "charset"))
    start = body.removeprefix(codecs.BOM_UTF8).lstrip(BLANKS)
    if not start:
        raise BadBody("the body is empty")
    boundary = _boundary(start, content_type)
    is_json = not boundary and (
        start[:1] in b'{["' or (_media_type(content_type) == "application/json" and b"=" not in start)
    )
    return Layout(start, charset, is_json, boundary or None)


def decode(body: bytes, content_type: str = "") -> Frame:
    """Return the frame inside a body.

    Raises:
        BadBody: the body cannot be a notification, or is ambiguous.
        UnsupportedCharset: `content_type`, or that of a multipart field, declares an unsupported charset.
    """
    start, charset, is_json, boundary = layout(body, content_type)
    if boundary:
        return decode_fields(_multipart_fields(start, boundary, charset))
    if is_json:
        return _frame_of_json(load(start.decode(charset, "replace"), "the body"))
    return decode_fields(form_fields(start, charset))


def decode_fields(fields: Iterable[tuple[str, str]]) -> Frame:
    """Return the frame inside the fields of a form that was parsed already.

    Raises:
        BadBody: a field that must be unique is given twice, or none of the fields of a frame is present.
        ReceivedMail: the fields are those of a received mail.
    """
    frame: dict[str, str] = {}
    names = set()
    for name, value in fields:
        if name in UNIQUE_FIELDS and name in frame:
            raise BadBody(f"ambiguous: {name} is given twice")
        if name in FRAME_FIELDS:
            frame[name] = value
        names.add(name)
    check_form_names(names)
    return Frame(**frame)


def check_form_names(names: AbstractSet[str]) -> None:
    """Raise `BadBody` unless one of these fields of a form is a field of a frame.

    Raises:
        BadBody: there is no such field.
        ReceivedMail: the fields are those of a received mail.
    """
    if is_received_mail(names):
        raise ReceivedMail
    if FRAME_FIELDS.isdisjoint(names):
        raise BadBody("neither JSON nor a form of ours: no event_type, no event")


def is_received_mail(names: AbstractSet[str]) -> bool:
    """Return whether fields of these names are those of a received mail."""
    return len(RECEIVED_MAIL_FIELDS.intersection(names)) > 1 and {"event_type", "event"}.isdisjoint(names)


def load_event(value: Any) -> Any:
    """Return the `event` of a frame: the value itself, or the parsed value if it is a JSON text.

    Raises:
        BadBody: the text is not valid JSON, or exceeds a limit of `load`.
    """
    return load(value.removeprefix("\ufeff"), "event") if isinstance(value, str) else value


def _frame_of_json(document: Any) -> Frame:
    if not isinstance(document, dict):
        raise BadBody("the body is JSON, but no object")
    if isinstance(document, Ambiguous) and (twice := document.twice & UNIQUE_FIELDS):
        raise BadBody(f"ambiguous: {', '.join(sorted(twice))} is given twice")
    if is_received_mail(document.keys()):
        raise ReceivedMail
    return Frame(**{name: value for name, value in document.items() if name in FRAME_FIELDS})


def load(text: str, place: str) -> Any:
    """Return the parsed value of a JSON text, each number as a `Number`. Messages name the text `place`.

    Raises:
        BadBody: the text is not valid JSON, is nested too deeply, or holds an integer of too many digits.
    """
    try:
        document = _json(text)
    except BadBody as error:
        raise BadBody(f"{place}: {error}") from None
    except (ValueError, RecursionError):
        raise BadBody(f"{place} is not JSON") from None
    if _nested_deeper(document, MAX_NESTING):
        raise BadBody(f"{place} is nested deeper than {MAX_NESTING}")
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    return plain if len(plain) == len(pairs) else ambiguous(pairs)


def ambiguous(pairs: Sequence[tuple[str, Any]]) -> Ambiguous:
    """Return the object that has all of these members."""
    made = Ambiguous(pairs)
    times = Counter(name for name, _ in pairs)
    made.twice = frozenset(name for name, number in times.items() if number > 1)
    made.pairs = tuple(pairs)
    return made


def _integer(digits: str) -> Number:
    if len(digits.lstrip("-")) > MAX_INTEGER_DIGITS:
        raise BadBody(f"an integer has more than {MAX_INTEGER_DIGITS} digits")
    return Number(digits)


def _constant(word: str) -> None:
    raise BadBody(f"{word} is not JSON")


_json = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=Number, parse_constant=_constant
).decode


def _nested_deeper(document: Any, limit: int) -> bool:
    level = [document] if isinstance(document, dict | list) else []
    for _ in range(limit):
        inside = [container.values() if isinstance(container, dict) else container for container in level]
        level = [
            item
            for items in inside
            if not _FLAT.issuperset(map(type, items))
            for item in items
            if isinstance(item, dict | list)
        ]
    return bool(level)


def form_fields(body: bytes, charset: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode(charset, "replace").strip(BLANKS.decode()),
            keep_blank_values=True,
            encoding=charset,
            errors="replace",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise BadBody(f"the form has more than {MAX_FIELDS} fields") from None


def _multipart_fields(body: bytes, boundary: bytes, charset: str) -> Iterator[tuple[str, str]]:
    for name, own, value in parts(body, boundary):
        yield name, value.decode(codec(own) if own else charset, "replace")


def parts(body: bytes, boundary: bytes) -> Iterator[tuple[str, str, bytes]]:
    """Yield the name, the declared charset ("" if none) and the value of each part of a multipart body.

    Parts without a name are passed over. So is text before the first boundary and after the last (RFC 2046,
    section 5.1.1).

    Raises:
        BadBody: there are more than `MAX_FIELDS` parts.
    """
    _, *found = (b"\n" + body).split(b"\n--" + boundary, MAX_FIELDS + 1)
    for number, part in enumerate(found):
        if part.startswith(b"--"):
            break
        if number == MAX_FIELDS:
            raise BadBody(f"the form has more than {MAX_FIELDS} fields")
        begin = part.find(b"\n") + 1 or len(part)
        most = begin + _MAX_PART_HEAD  # before a secret is known, heads cost no more than values
        blank = _BLANK_LINE.search(part, begin, most)
        head = _FOLD.sub(" ", part[begin : blank.start() if blank else most].decode("utf-8", "replace"))
        headers = {title.lower(): text for title, text in _HEADERS.findall(head)}
        name = _parameter(headers.get("content-disposition", ""), "name")
        if name:
            value = part[blank.end() :].removesuffix(b"\r") if blank else b""
            yield name, _parameter(headers.get("content-type", ""), "charset"), value


def _boundary(body: bytes, content_type: str) -> bytes | None:
    if body.startswith(b"--"):
        return body.partition(b"\n")[0].strip()[2:]
    if _media_type(content_type) != "multipart/form-data":
        return None
    declared = _parameter(content_type, "boundary").encode("latin-1", "replace")
    return declared if declared and b"--" + declared in body else None


def _media_type(header: str) -> str:
    return header[:_MAX_HEADER].partition(";")[0].strip().lower()


def _parameter(header: str, name: str) -> str:
    """Return a parameter of a header, "" if absent.

    Python's own parser fails at some headers and is slow at others.
    """
    found = re.search(rf';\s*{name}\s*=\s*(?:"([^"]*)"|([^\s;]+))', header[:_MAX_HEADER], re.IGNORECASE)
    return (found[1] or found[2] or "").strip() if found else ""


def codec(charset: str) -> str:
    """Return the name of the codec for a declared charset, UTF-8 if none is declared.

    Raises:
        UnsupportedCharset: the charset is not one of the list.
    """
    if not charset:
        return "utf-8"
    name = charset.strip().lower()
    try:
        return _CHARSETS[codecs.lookup(_CHARSET_ALIASES.get(name, name)).name]
    except (LookupError, ValueError):
        raise UnsupportedCharset("the charset is not one that is read here") from None
