"""Text that every database and every page can hold, and the normal forms of addresses and message ids."""

from __future__ import annotations

import re

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_LINE_BREAKS = re.compile("[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")
_UNCLEAN = re.compile(f"{_UNSTORABLE.pattern}|{_LINE_BREAKS.pattern}")
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_AT_SIGNS = re.compile("[@\N{FULLWIDTH COMMERCIAL AT}\N{SMALL COMMERCIAL AT}]")
_SHOWN = 32

# All that Unicode counts as white space, and the characters without a width that copying leaves around words.
BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001)))) + (
    "\xad\u115f\u1160\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2066\u2067\u2068\u2069\u2800\u3164\ufeff\uffa0"
)


def clean(text: str) -> str:
    """Replace each NUL and lone surrogate, which PostgreSQL and UTF-8 refuse, by U+FFFD."""
    return text if text.isascii() and "\0" not in text else _UNSTORABLE.sub(REPLACEMENT, text)


def one_line(text: str) -> str:
    """Replace each run of line breaks, with the blanks around it, by one blank.

    This unfolds a folded header (RFC 5322, section 2.2.3).
    """
    if text.isprintable() or not _LINE_BREAKS.search(text):
        return text
    first, *rest = _LINE_BREAKS.split(text)
    last = rest.pop()
    inner = [stripped for part in rest if (stripped := part.strip(" \t"))]
    return " ".join([first.rstrip(" \t"), *inner, last.lstrip(" \t")])


def is_clean_line(text: str) -> bool:
    """Return True if `clean` and `one_line` leave a text, and any part of it, unchanged."""
    return text.isprintable() or not _UNCLEAN.search(text)


def shown(text: str, most: int = _SHOWN) -> str:
    """Return a foreign text for a message: short and escaped, or only its length if it may be an address.

    Escaped are control characters, marks that change the direction of text, and all that is not printable.
    """
    return f"({len(text)} characters)" if _AT_SIGNS.search(text) else repr(text[:most])[1:-1]


def replace_astral(text: str) -> str:
    """Replace each character above U+FFFF by U+FFFD, for tables in a 3-byte charset."""
    return _ASTRAL.sub(REPLACEMENT, text)


def bare_message_id(text: str) -> str:
    """Return the Message-ID to compare by: no outer blanks, no angle brackets, case kept; "" if none."""
    bare = one_line(clean(text)).strip()
    if bare.startswith("<") and bare.endswith(">"):
        bare = bare[1:-1].strip()
    return bare


def normalise_address(text: str) -> str:
    """Return the address to compare by: taken out of `Name <a@b>`, without outer blanks, all in lower case.

    Nothing is validated: `user..name@docomo.example` is an address that receives mail. No IDNA mapping is
    applied: IDNA's tables change between versions. See `address_forms`.
    """
    bare = (text if text.isprintable() else one_line(clean(text))).strip()
    if bare.endswith(">") and "<" in bare:
        bare = bare[bare.rindex("<") + 1 : -1].strip()
    return bare.lower()


_LONGEST_DOMAIN = 255
"""Octets of a domain (RFC 1035). The time of its conversion grows with the square of its length."""


def address_forms(address: str) -> tuple[str, ...]:
    """Return the forms of a normalised address: its domain in ASCII, as mail is sent to it, and in Unicode.

    There is only one form if the domain is plain, or if RFC 3490, which Python and Django follow, does not
    convert one form into the other.
    """
    if address.isascii() and "xn--" not in address:
        return (address,)
    local, at, domain = address.rpartition("@")
    if not at or len(domain) > _LONGEST_DOMAIN or (domain.isascii() and "xn--" not in domain):
        return (address,)
    try:
        plain = domain.encode("idna")
        written = plain.decode("idna")
    except UnicodeError:
        return (address,)
    forms = (f"{local}{at}{plain.decode('ascii')}", f"{local}{at}{written}")
    return forms if address in forms and forms[0] != forms[1] else (address,)


def domain_of(address: str) -> str:
    """Return the part after the last @ of a normalised address; "" if it has none."""
    return address.rpartition("@")[2] if "@" in address else ""
