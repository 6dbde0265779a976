"""Whether a text names a person, by an address: in whichever letters, escapes and joints it is written."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from cmc_webhooks import wire

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["names", "parsed", "searchable"]

# What a longer name would have before and after: `susan@` is not `an@`, `example.co.jp` is not `example.co`.
_BEFORE = re.compile(r"[a-z0-9._+'-]*$", re.ASCII)
_NOT_BEFORE = re.compile(r"[^a-z0-9]*|[2-5]\d\d-", re.ASCII)  # a reply code with its hyphen is no name
_AFTER = re.compile(r"[a-z0-9]|\.[a-z0-9]|-[a-z0-9-]*\.[a-z0-9]", re.ASCII)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_MOST_ESCAPED = 3
_SEARCHABLE = re.compile(r"[ !#-\[\]-~]+")  # ASCII but \ and "
_LONGEST_PART = 200
_LONGEST_LOCAL = 64  # RFC 5321, section 4.5.3.1.1


def searchable(address: str) -> set[str]:
    """Parts one of which a text must hold that names the address, whatever folds letters in the database.

    Of each spelling it is the longest that is found in either letter case, and that JSON does not escape.
    """
    parts = (max(_SEARCHABLE.findall(spelling), key=len) for spelling in _spellings(address))
    return {part[:_LONGEST_PART] for part in parts}


def names(value: Any, address: str) -> bool:
    """Whether a text holds the address, or any text in an object or list, at any depth."""
    if isinstance(value, str):
        return any(_holds(text.lower(), address) for text in _readings(value))
    if isinstance(value, dict):
        return any(names(text, address) for item in value.items() for text in item)
    return isinstance(value, list) and any(names(inner, address) for inner in value)


def _readings(text: str) -> Iterator[str]:
    """The text, and what it says if it is JSON, or JSON in JSON, that was cut or put into a text."""
    yield text
    for _ in range(_MOST_ESCAPED):
        if "\\u" not in text:
            return
        text = _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[2], text)
        yield text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _holds(text: str, address: str) -> bool:
    """Whether a lower-case text holds the address, and not only as a part of a longer one."""
    for spelling, is_verp in _spellings(address).items():
        start = text.find(spelling)
        while start >= 0:
            if _is_whole(text, start, start + len(spelling), is_verp=is_verp):
                return True
            start = text.find(spelling, start + 1)
    return False


def _is_whole(text: str, start: int, end: int, *, is_verp: bool) -> bool:
    """Whether a name in a lower-case text does not go on at either end; VERP sets any mark before it."""
    if _AFTER.match(text, end):
        return False
    before = _BEFORE.search(text[max(0, start - _LONGEST_LOCAL) : start])
    run = before[0] if before else ""
    return not run[-1:].isalnum() if is_verp else bool(_NOT_BEFORE.fullmatch(run))


def _spellings(address: str) -> dict[str, bool]:
    """How an address is written: in a mail, in the address of a web page, and, True, by VERP."""
    parts = [form.rpartition("@")[::2] for form in wire.address_forms(address)]
    return {joint.join(each): joint == "=" for each in parts for joint in ("@", "%40", "=")}


def parsed(raw: str) -> Any:
    """What a rejected event's text says, names that stand twice included; the text itself if it was cut."""
    try:
        return json.loads(raw, object_pairs_hook=lambda pairs: [[*pair] for pair in pairs])
    except (ValueError, RecursionError):
        return raw
