"""Search for an address in texts, in each spelling that a text of this app may have.

These are: letter case, full-width letters, JSON escapes, percent-encoding of URLs, HTML character references,
up to three of them within one another; `user=example.jp` as VERP writes it; a domain in ASCII or Unicode.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from cmc_webhooks import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["escape_patterns", "names", "others", "parsed", "passages", "searchable"]

# Parts of a longer address before and after: `susan@` is not `an@`, `example.co.jp` is not `example.co`.
_BEFORE = re.compile(r"[a-z0-9._+'-]*$", re.ASCII)
_NOT_BEFORE = re.compile(r"[^a-z0-9]*|[2-5]\d\d-", re.ASCII)  # a reply code with its hyphen is not a name
_AFTER = re.compile(r"[a-z0-9]|\.[a-z0-9]|-[a-z0-9-]*\.[a-z0-9]", re.ASCII)
_ADDRESS = re.compile(r"""[^\s,;:<>()"']+@[^\s,;:<>()"']+""")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_MOST_LAYERS = 3
_SEARCHABLE = re.compile(r"[ !#-\[\]-~]+")  # printable ASCII except \ and "
_AFTER_QUOTE = re.compile(r'"@[ !#-\[\]-~]*\Z|"@')
_LONGEST_PART = 200
_LINE_END = re.compile(r"[\r\n]")
_WORDS = 8
_PLAIN_WORD = re.compile(r"[A-Za-z0-9#<>()\[\],.:;/'-]+")
_LONGEST_LOCAL = 64  # RFC 5321, section 4.5.3.1.1


def searchable(address: str) -> set[str]:
    """Return substrings of the address. Every text that names it without escapes contains one of them.

    This holds however the database folds letter case. Each spelling contributes its longest run of characters
    that are found in either letter case and that JSON does not escape. See `escape_patterns` for other texts.
    """
    return {_searchable_part(spelling)[:_LONGEST_PART] for spelling in _spellings(address)}


def _searchable_part(spelling: str) -> str:
    if quoted := _AFTER_QUOTE.search(spelling):  # JSON escapes a quote before it, so this stays together
        return quoted[0]
    runs: list[str] = _SEARCHABLE.findall(spelling)
    return max(runs, key=len)


def escape_patterns(address: str) -> tuple[str, str]:
    """Return two regular expressions that databases find in each lower-case text with the address escaped.

    Few other texts match both. The first is simple, so that most texts cost little.
    """
    # On some databases columns of JSON escape all that is not ASCII, which only such an address needs
    code_point = r"\\u(00|ff20|fe6b)" if address.isascii() and "xn--" not in address else r"\\u"
    escapes = (code_point, "%[0-9a-f][0-9a-f]", "&#", "&[a-z]+;", *_WIDE_SIGNS)
    return "|".join((r"[\\%&]", *_WIDE_SIGNS)), "|".join(escapes)


def names(value: Any, address: str) -> bool:
    """Return whether a text contains the address, or any text in an object or list, at any depth."""
    if isinstance(value, str):
        return any(_holds(text.lower(), address) for text in _readings(value))
    if isinstance(value, dict):
        return any(names(text, address) for item in value.items() for text in item)
    return isinstance(value, list) and any(names(inner, address) for inner in value)


def passages(value: Any, address: str, *, with_words: bool = False) -> list[str]:
    """Return the parts of a text, or of any text in an object or list, that spell the address, as they stand.

    With `with_words`, each comes with a few words of its line. Words that may be part of another address are
    replaced by an ellipsis.
    """
    if isinstance(value, str):
        return list(dict.fromkeys(_passages(value, address, with_words=with_words)))
    inner = chain.from_iterable(value.items()) if isinstance(value, dict) else value
    if not isinstance(value, dict | list):
        return []
    found = (passages(each, address, with_words=with_words) for each in inner)
    return list(dict.fromkeys(chain.from_iterable(found)))


def _passages(text: str, address: str, *, with_words: bool) -> Iterator[str]:
    for reading in _readings(text):
        lower = reading.lower()
        shown = reading if len(lower) == len(reading) else lower  # a few letters have another length there
        spans = sorted(_spans(lower, address))
        for start, end in spans:
            yield _with_words(shown, start, end) if with_words else shown[start:end]
        if spans:
            return


def _with_words(text: str, start: int, end: int) -> str:
    """Return a passage with the words around it."""
    before, after = _LINE_END.split(text[:start])[-1], _LINE_END.split(text[end:])[0]
    # What is joined to the passage without a blank is left out: it may be another address
    words_before = before.split()[:-1] if before[-1:].strip() else before.split()
    words_after = after.split()[1:] if after[:1].strip() else after.split()
    words = [*words_before[-_WORDS:], None, *words_after[:_WORDS]]
    shown = (text[start:end] if word is None else _plain_word(word) for word in words)
    return " ".join(word for word, _ in groupby(shown))


def _plain_word(word: str) -> str:
    return word if _PLAIN_WORD.fullmatch(word) else "…"


def others(text: str, address: str) -> set[str]:
    """Return all addresses in a text but this one, normalised, with those that escapes hide."""
    forms = wire.address_forms(address)
    found = {each for reading in _readings(text) for each in _ADDRESS.findall(reading)}
    return {
        wire.canonical_mailbox(each)
        for each in found
        if not any(wire.canonical_mailbox(reading) in forms for reading in _readings(each))
    }


def _readings(text: str) -> Iterator[str]:
    """Yield the text, then what it reads as when its escapes are decoded, of each kind and within each other.

    It may be cut, or only a part of what was escaped.
    """
    yield text
    seen, layer = {text}, [text]
    for _ in range(_MOST_LAYERS):
        decoded = [decode(each) for each in layer for sign, decode in _DECODERS if sign in each]
        layer = [each for each in dict.fromkeys(decoded) if each not in seen]
        seen.update(layer)
        yield from layer


def _from_json(text: str) -> str:
    plain = _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[2], text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _from_wide(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


_WIDE_SIGNS = ("\N{FULLWIDTH COMMERCIAL AT}", "\N{SMALL COMMERCIAL AT}")
_DECODERS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("\\u", _from_json),
    ("%", unquote),
    ("&", html.unescape),
    *((sign, _from_wide) for sign in _WIDE_SIGNS),
)
"""What decodes each kind of escape, with what a text must contain to have one."""


def _holds(text: str, address: str) -> bool:
    """Return whether a lower-case text contains the address, and not only as a part of a longer one."""
    return any(True for _ in _spans(text, address))


def _spans(text: str, address: str) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each whole address in a lower-case text."""
    for spelling, is_verp in _spellings(address).items():
        start = text.find(spelling)
        while start >= 0:
            end = start + len(spelling)
            if _is_whole(text, start, end, is_verp=is_verp):
                yield start, end
            start = text.find(spelling, start + 1)


def _is_whole(text: str, start: int, end: int, *, is_verp: bool) -> bool:
    """Return whether a match in a lower-case text is a whole address. VERP puts any mark before it."""
    if _AFTER.match(text, end):
        return False
    before = _BEFORE.search(text[max(0, start - _LONGEST_LOCAL) : start])
    run = before[0] if before else ""
    return not run[-1:].isalnum() if is_verp else bool(_NOT_BEFORE.fullmatch(run))


def _spellings(address: str) -> dict[str, bool]:
    """Return the spellings of an address: in a mail and by VERP. The value is True for VERP.

    In a mail, the local part may be in quotes.
    """
    parts = [form.rpartition("@")[::2] for form in wire.address_forms(address)]
    spellings = {joint.join(each): joint == "=" for each in parts for joint in "@="}
    quoted = {f"{wire.quoted_local(local)}@{domain}" for local, domain in parts if not local.startswith('"')}
    return {**spellings, **dict.fromkeys(quoted, False)}


def parsed(raw: str) -> Any:
    """Return a rejected event's parsed text, duplicate names included; the text itself if it was cut."""
    try:
        return json.loads(raw, object_pairs_hook=lambda pairs: [[*pair] for pair in pairs])
    except (ValueError, RecursionError):
        return raw
