"""Encoded words of a header, `=?charset?B?...?=`, and their text (RFC 2047, RFC 2231 section 5).

Python's `email.header` raises for charsets and Base64 that mail programs write, and decodes each word alone,
which breaks a character whose bytes are in two words.
"""

from __future__ import annotations

import binascii
import re
from encodings import normalize_encoding
from encodings.aliases import aliases
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from cmc_webhooks.wire.text import REPLACEMENT, clean, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["decode_words"]

_WORD = re.compile(r"=\?([^?\s]+)\?([BQ])\?([^?]*)\?=", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/]*")
_BLANK = " \t"
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]+")
_ESCAPE = re.compile(rb"\x1b(\$[@B]|\([BIJ])")
_LONGEST_NAME = 64

# Names that Python's codecs do not know (IANA's registry; WHATWG Encoding, section 4.2).
_NAMES = {
    "cp50220": "iso2022_jp",
    "cp50221": "iso2022_jp",
    "cp50222": "iso2022_jp",
    "csutf8": "utf_8",
    "cswindows31j": "cp932",
    "iso_2022_jp_ms": "iso2022_jp",
    "windows_31j": "cp932",
    "x_euc_jp": "euc_jp",
    "x_ms_cp932": "cp932",
    "x_sjis": "cp932",
}
# Codecs that are used, by the name of Python's codec. Others are slow, or no charsets of mail. A name stands
# for the larger set that programs mean by it.
_CODECS = {
    "ascii": "utf_8",
    "latin_1": "cp1252",
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "ks_c_5601_1987": "cp949",
    **{
        name: name
        for name in (
            *("utf_8", "cp932", "euc_jp", "iso2022_jp", "gb18030", "big5", "cp949", "koi8_r", "koi8_u"),
            *(f"iso8859_{number}" for number in (*range(2, 12), *range(13, 17))),
            *(f"cp{number}" for number in range(1250, 1259)),
        )
    },
}


def decode_words(text: str) -> str:
    """Return a header's text with its encoded words decoded.

    Adjacent words of one charset are decoded together, and the blanks between words are removed. Words of an
    unknown charset and words that are not valid Base64 are unchanged. Bytes that the charset does not have
    become U+FFFD, line breaks and control characters in a word become blanks.
    """
    if "=?" not in text:
        return text
    parts: list[str] = []
    end = 0
    for _, run in groupby(_words(text), attrgetter("run")):
        words = list(run)
        between = text[end : words[0].start]
        if end == 0 or between.strip(_BLANK):
            parts.append(between)
        parts.append(_decoded(b"".join(word.raw for word in words), words[0].codec))
        end = words[-1].end
    return "".join([*parts, text[end:]])


class _Word(NamedTuple):
    """An encoded word: where it is in the text, its bytes, and the number of its run.

    A run is adjacent words of one charset.
    """

    start: int
    end: int
    codec: str
    raw: bytes
    run: int


def _words(text: str) -> Iterator[_Word]:
    """Yield the encoded words of a text that can be decoded."""
    last: _Word | None = None
    for found in _WORD.finditer(text):
        codec, raw = _codec(found[1]), _bytes(found[2], found[3])
        if codec is None or raw is None:
            continue
        start, end = found.span()
        run = 0 if last is None else last.run
        if last is not None and (last.codec != codec or text[last.end : start].strip(_BLANK)):
            run += 1
        yield (last := _Word(start, end, codec, raw, run))


def _codec(charset: str) -> str | None:
    """Return the name of the codec for a charset, which may have a language (`utf-8*ja`); None if unknown.

    The name is not looked up by `codecs.lookup`, which remembers every name that it is given.
    """
    name = normalize_encoding(charset[:_LONGEST_NAME].partition("*")[0].lower())
    return _CODECS.get(_NAMES.get(name) or aliases.get(name, name))


def _bytes(encoding: str, encoded: str) -> bytes | None:
    """Return the bytes of a word; None if it is not in its encoding."""
    if not encoded.isascii():
        return None
    if encoding in "qQ":
        return binascii.a2b_qp(encoded, header=True)
    packed = "".join(encoded.split()).rstrip("=")
    if len(packed) % 4 == 1 or not _BASE64.fullmatch(packed):
        return None
    return binascii.a2b_base64(packed + "=" * (-len(packed) % 4))


def _decoded(raw: bytes, codec: str) -> str:
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError:
        text = _with_vendors(raw) if codec == "iso2022_jp" and raw.isascii() else _repaired(raw, codec)
    return _CONTROLS.sub(" ", one_line(clean(text)))


def _repaired(raw: bytes, codec: str) -> str:
    """Return the text of bytes that their charset does not have: UTF-8 if they are, otherwise with U+FFFD."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode(codec, "replace")


def _with_vendors(raw: bytes) -> str:
    """Return the text of ISO-2022-JP (RFC 1468) with the characters of vendors, such as ①, from CP932."""
    first, *rest = _ESCAPE.split(raw)
    parts = [first.decode()]
    for escape, part in zip(rest[::2], rest[1::2], strict=True):
        if escape.startswith(b"$"):
            parts += map(_of_two_bytes, part[::2], part[1::2])
        elif escape == b"(I":
            parts.append(bytes(byte | 0x80 for byte in part).decode("cp932", "replace"))
        else:
            parts.append(part.decode())
    return "".join(parts)


def _of_two_bytes(high: int, low: int) -> str:
    """Return the character of a row and a cell of JIS X 0208, by the bytes of Shift_JIS for it."""
    if not (0x21 <= high <= 0x7E and 0x21 <= low <= 0x7E):
        return REPLACEMENT
    row = high - 0x21
    lead = row // 2 + (0x81 if row < 62 else 0xC1)
    trail = low + (0x7E if row % 2 else 0x1F if low < 0x60 else 0x20)
    return bytes((lead, trail)).decode("cp932", "replace")[:1]
