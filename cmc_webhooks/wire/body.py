"""Body -> frame: JSON, form or multipart, told apart by what the body is, then by what its header says.

Source: https://smtps.jp/docs-en/apiv2/webhook (content types), https://smtps.jp/docs-en/apiv2/webhook/event
(fields), RFC 7578 (multipart/form-data).
"""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_NESTING = 20
MAX_INTEGER_DIGITS = 32
MAX_FIELDS = 100

_FRAME_FIELDS = frozenset({"api_key", "server_composition", "event_type", "event"})
_UNIQUE_FIELDS = frozenset({"api_key", "event_type", "event"})
_BLANKS = b" \t\r\n\v\f"
_BLANK_LINE = re.compile(rb"(?:^|\n)\r?\n")
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_MAX_HEADER = 1024

_FLAT = frozenset({str, bool, type(None)})  # numbers are read as text

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
# Python's codec -> the one that reads it: ASCII is read as UTF-8, of which it is a part.
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
    """The body is not a notification; the message says what is wrong and where, without quoting it."""


class UnsupportedCharset(ValueError):
    """The body's declared charset is none that we read."""


class Ambiguous(dict[str, Any]):
    """A JSON object in which a name stood twice: `twice` holds those names, `pairs` all that was said."""

    twice: frozenset[str] = frozenset()
    pairs: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The outer fields of one POST as they came: nothing here is checked, and `api_key` may be anything."""

    api_key: Any = field(default=None, repr=False)
    server_composition: Any = None
    event_type: Any = None
    event: Any = field(default=None, repr=False)


def decode(body: bytes, content_type: str = "") -> Frame:
    """The frame inside a body.

    Raises:
        BadBody: no notification can be in it, or what it says is ambiguous.
        UnsupportedCharset: `content_type` declares a charset outside the list.
    """
    charset = _codec(_parameter(content_type, "charset"))
    start = body.removeprefix(codecs.BOM_UTF8).lstrip(_BLANKS)
    if not start:
        raise BadBody("the body is empty")
    if boundary := _boundary(start, content_type):
        return decode_fields(_multipart_fields(start, boundary, charset))
    if start[:1] in b'{["' or (_media_type(content_type) == "application/json" and b"=" not in start):
        return _frame_of_json(load(start.decode(charset, "replace"), "the body"))
    return decode_fields(_form_fields(start, charset))


def decode_fields(fields: Iterable[tuple[str, str]]) -> Frame:
    """The frame inside the fields of a form that was parsed already.

    Raises:
        BadBody: a field that must be unique stood twice, or none of ours is there.
    """
    frame: dict[str, str] = {}
    for name, value in fields:
        if name in _UNIQUE_FIELDS and name in frame:
            raise BadBody(f"ambiguous: {name} is given twice")
        if name in _FRAME_FIELDS:
            frame[name] = value
    if not frame:
        raise BadBody("neither JSON nor a form of ours: no event_type, no event")
    return Frame(**frame)


def load_event(value: Any) -> Any:
    """The `event` of a frame: itself, or what its JSON text says.

    Raises:
        BadBody: the text is no JSON, or ambiguous.
    """
    return load(value.removeprefix("\ufeff"), "event") if isinstance(value, str) else value


def _frame_of_json(document: Any) -> Frame:
    if not isinstance(document, dict):
        raise BadBody("the body is JSON, but no object")
    if isinstance(document, Ambiguous) and (twice := document.twice & _UNIQUE_FIELDS):
        raise BadBody(f"ambiguous: {', '.join(sorted(twice))} is given twice")
    return Frame(**{name: value for name, value in document.items() if name in _FRAME_FIELDS})


def load(text: str, place: str) -> Any:
    """What a JSON text says, numbers as the text that was sent. `place` is what a message calls it.

    Raises:
        BadBody: it is no JSON, or not one that is read here.
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
    """The object that says all of this."""
    made = Ambiguous(pairs)
    times = Counter(name for name, _ in pairs)
    made.twice = frozenset(name for name, number in times.items() if number > 1)
    made.pairs = tuple(pairs)
    return made


def _integer(digits: str) -> str:
    if len(digits.lstrip("-")) > MAX_INTEGER_DIGITS:
        raise BadBody(f"an integer has more than {MAX_INTEGER_DIGITS} digits")
    return digits


def _constant(word: str) -> None:
    raise BadBody(f"{word} is not JSON")


# Numbers stay the text that was sent: 2 and "2" are one value, and no size or precision is lost.
_json = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=str, parse_constant=_constant
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


def _form_fields(body: bytes, charset: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode(charset, "replace").strip(),
            keep_blank_values=True,
            encoding=charset,
            errors="replace",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise BadBody(f"the form has more than {MAX_FIELDS} fields") from None


def _multipart_fields(body: bytes, boundary: bytes, charset: str) -> list[tuple[str, str]]:
    # what precedes the first boundary and follows the last is no part (RFC 2046, section 5.1.1)
    _, *parts = (b"\n" + body).split(b"\n--" + boundary)
    fields: list[tuple[str, str]] = []
    for number, part in enumerate(parts):
        if part.startswith(b"--"):
            break
        if number == MAX_FIELDS:
            raise BadBody(f"the form has more than {MAX_FIELDS} fields")
        _, _, rest = part.partition(b"\n")
        blank = _BLANK_LINE.search(rest)
        head = _FOLD.sub(" ", rest[: blank.start() if blank else len(rest)].decode("utf-8", "replace"))
        value = rest[blank.end() :] if blank else b""
        headers = {}
        for line in head.splitlines():
            title, _, text = line.partition(":")
            headers[title.strip().lower()] = text
        name = _parameter(headers.get("content-disposition", ""), "name")
        if name:
            own = _parameter(headers.get("content-type", ""), "charset")
            fields.append(
                (name, value.removesuffix(b"\r").decode(_codec(own) if own else charset, "replace"))
            )
    return fields


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
    """A header's parameter, "" if there is none; Python's own parser fails at some and is slow at others."""
    found = re.search(rf';\s*{name}\s*=\s*(?:"([^"]*)"|([^\s;]+))', header[:_MAX_HEADER], re.IGNORECASE)
    return (found[1] or found[2] or "").strip() if found else ""


def _codec(charset: Any) -> str:
    if not charset:
        return "utf-8"
    name = str(charset).strip().lower()
    try:
        return _CHARSETS[codecs.lookup(_CHARSET_ALIASES.get(name, name)).name]
    except (LookupError, ValueError):
        raise UnsupportedCharset("the charset is not one that is read here") from None
