"""The canonical mailbox: one text for all the spellings of an address that RFC 5321 and 5322 allow."""

from __future__ import annotations

import re
from typing import NamedTuple

from cmc_webhooks.wire.text import clean, normalise_address, one_line

LONGEST_MAILBOX = 2000
"""Characters of a text that is read as a mailbox. Nobody can receive mail at a longer one."""

_MARKS = re.compile(r'["()\\]')
_ODD = re.compile(r"[\s<>]|\A@|\.\Z")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_TO_ESCAPE = re.compile(r'["\\]')
_COMMENT_PART = re.compile(r"[^()\\]*(?:\\.|([()])|\Z)", re.DOTALL)


def canonical_mailbox(text: str) -> str:
    """Return the canonical form of an address: the same for all spellings of one mailbox, in lower case.

    Display name, comments, route, blanks around the parts, and the dot that ends a domain are removed. A
    local part has no quotes if it reads the same without them: `"taro..y"@example.jp` is
    `taro..y@example.jp`, and `"plain "@example.jp` stays as it is. No IDNA mapping is applied, see
    `address_forms`.

    Nothing is validated. What cannot be read, as with a quote that is not closed, and what is longer than
    `LONGEST_MAILBOX`, is returned as `normalise_address` returns it. For nearly all addresses the two are the
    same.

    Sources: RFC 5322, sections 3.2.2 to 3.4.1 and 4.4; RFC 5321, sections 4.1.2 and 4.1.3.
    """
    normalised = normalise_address(text)
    if len(text) > LONGEST_MAILBOX or not (_MARKS.search(text) or _ODD.search(normalised)):
        return normalised
    mailbox = _read(one_line(clean(text)))
    if mailbox is None:
        return normalised
    local, domain = mailbox.local.lower(), mailbox.domain.lower()
    bare = f"{local}@{domain}"
    if _read(bare) == (local, domain):
        return bare
    return f"{quoted_local(local)}@{domain}"


def quoted_local(local: str) -> str:
    """Return a local part in quotes, as a text may spell it."""
    escaped = _TO_ESCAPE.sub(r"\\\g<0>", local)
    return f'"{escaped}"'


class _Mailbox(NamedTuple):
    """A mailbox as it is meant: its local part without quotes and escapes."""

    local: str
    domain: str


class _Sign(NamedTuple):
    """A character of an address. One that was quoted has no meaning for the syntax."""

    text: str
    is_quoted: bool = False


_AT, _DOT, _OPEN, _CLOSE, _COLON = map(_Sign, "@.<>:")


def _read(text: str) -> _Mailbox | None:
    """Return the mailbox that a text names; None if it names none, or a quote or a comment is not closed."""
    signs = _signs(text)
    if signs is None:
        return None
    signs = _stripped(signs)
    if signs[-1:] == [_CLOSE] and _OPEN in signs:
        signs = _stripped(signs[_last(signs, _OPEN) + 1 : -1])
        if signs[:1] == [_AT] and _COLON in signs:
            signs = signs[signs.index(_COLON) + 1 :]
    if _AT not in signs:
        return None
    place = _last(signs, _AT)
    local, domain = _joined(signs[:place]), _joined(signs[place + 1 :]).rstrip(".")
    return _Mailbox(local, domain) if local and domain else None


def _signs(text: str) -> list[_Sign] | None:
    """Return the characters of a text. A comment becomes a blank; quotes and escapes are resolved."""
    signs, place = list[_Sign](), 0
    while place < len(text):
        letter = text[place]
        if letter == '"':
            quoted = _QUOTED.match(text, place)
            if quoted is None:
                return None
            signs += [_Sign(each, is_quoted=True) for each in _QUOTED_PAIR.sub(r"\1", quoted[1])]
            place = quoted.end()
        elif letter == "(":
            end = _end_of_comment(text, place)
            if end is None:
                return None
            signs.append(_Sign(" "))
            place = end
        else:
            signs.append(_Sign(letter))
            place += 1
    return signs


def _end_of_comment(text: str, place: int) -> int | None:
    """Return the place after a comment, which may hold others; None if it is not closed."""
    depth = 0
    while place < len(text):
        part = _COMMENT_PART.match(text, place)
        if part is None:
            return None
        depth += {"(": 1, ")": -1, None: 0}[part[1]]
        place = part.end()
        if not depth:
            return place
    return None


def _stripped(signs: list[_Sign]) -> list[_Sign]:
    """Return the characters without the blanks around them, unless those are quoted."""
    start, end = 0, len(signs)
    while start < end and _is_blank(signs[start]):
        start += 1
    while start < end and _is_blank(signs[end - 1]):
        end -= 1
    return signs[start:end]


def _joined(signs: list[_Sign]) -> str:
    """Return the text of a local part or a domain, without the blanks around it and around its dots."""
    kept = list[_Sign]()
    for sign in _stripped(signs):
        if sign == _DOT:
            while kept and _is_blank(kept[-1]):
                kept.pop()
        if not (_is_blank(sign) and kept and kept[-1] == _DOT):
            kept.append(sign)
    return "".join(sign.text for sign in kept)


def _is_blank(sign: _Sign) -> bool:
    return not sign.is_quoted and sign.text.isspace()


def _last(signs: list[_Sign], sign: _Sign) -> int:
    return len(signs) - 1 - signs[::-1].index(sign)
