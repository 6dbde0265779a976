"""Text that every database and every page can carry, and the spellings that compare equal."""

from __future__ import annotations

import re

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_LINE_BREAKS = re.compile("[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")
_UNCLEAN = re.compile(f"{_UNSTORABLE.pattern}|{_LINE_BREAKS.pattern}")
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """`text` with each NUL and lone surrogate, which PostgreSQL and UTF-8 refuse, as U+FFFD."""
    return text if text.isascii() and "\0" not in text else _UNSTORABLE.sub(REPLACEMENT, text)


def one_line(text: str) -> str:
    """`text` without line breaks: each run of them, with the blanks around it, is one blank.

    A folded header thus reads as it did before it was folded (RFC 5322, section 2.2.3).
    """
    if text.isprintable() or not _LINE_BREAKS.search(text):
        return text
    first, *rest = _LINE_BREAKS.split(text)
    last = rest.pop()
    inner = [stripped for part in rest if (stripped := part.strip(" \t"))]
    return " ".join([first.rstrip(" \t"), *inner, last.lstrip(" \t")])


def is_clean_line(text: str) -> bool:
    """Whether `clean` and `one_line` leave a text, and any part of it, as it is."""
    return text.isprintable() or not _UNCLEAN.search(text)


def replace_astral(text: str) -> str:
    """`text` with each character above U+FFFF as U+FFFD, for tables in a 3-byte charset."""
    return _ASTRAL.sub(REPLACEMENT, text)


def bare_message_id(text: str) -> str:
    """The Message-ID to compare by: no outer blanks, no angle brackets, case kept; "" if there is none."""
    bare = one_line(clean(text)).strip()
    if bare.startswith("<") and bare.endswith(">"):
        bare = bare[1:-1].strip()
    return bare


def normalise_address(text: str) -> str:
    """The address to compare by: out of `Name <a@b>`, without outer blanks, lower-case as a whole.

    Nothing is validated, and no IDNA mapping is applied: `user..name@docomo.example` is an address that
    receives mail, and IDNA's tables change between versions. See `address_forms`.
    """
    bare = (text if text.isprintable() else one_line(clean(text))).strip()
    if bare.endswith(">") and "<" in bare:
        bare = bare[bare.rindex("<") + 1 : -1].strip()
    return bare.lower()


def address_forms(address: str) -> tuple[str, ...]:
    """The forms of one normalised address: with its domain in ASCII, as mail is sent to it, and in Unicode.

    One form only where the domain is plain, or where one form does not lead to the other by RFC 3490, which
    Python and Django go by.
    """
    if address.isascii() and "xn--" not in address:
        return (address,)
    local, at, domain = address.rpartition("@")
    if not at or (domain.isascii() and "xn--" not in domain):
        return (address,)
    try:
        plain = domain.encode("idna")
        written = plain.decode("idna")
    except UnicodeError:
        return (address,)
    forms = (f"{local}{at}{plain.decode('ascii')}", f"{local}{at}{written}")
    return forms if address in forms and forms[0] != forms[1] else (address,)


def domain_of(address: str) -> str:
    """What follows the last @ of a normalised address; "" if it has none."""
    return address.rpartition("@")[2] if "@" in address else ""
