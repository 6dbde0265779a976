"""Interpretation of the search box. Whole values are found by an index, never by a part of a text.

A word of the subject is the exception: it is searched for in 31 days at most, the latest ones by default.
"""

from __future__ import annotations

import re
import time
import unicodedata
from datetime import timedelta
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cmc_webhooks import timezones, wire
from cmc_webhooks.db.beginnings import beginning_with
from cmc_webhooks.db.text import one_of
from cmc_webhooks.models.querysets import ADDRESS_LENGTH
from cmc_webhooks.timezones import DateRange
from cmc_webhooks.wire.text import BLANKS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from cmc_webhooks.models.querysets import MailQuerySet

SEARCH_FIELDS = ("message_id", "address", "api_data")
"""Named so that Django shows a search box. The search itself does not use them."""

DAYS_OF_SUBJECTS = 31
DAYS_OF_FEWER = 7
SECONDS = 5
"""Time for a page's statements that may read very many rows: no index finds a part of a text."""

LONGEST = 1_000
"""Characters of a text that is normalised."""

MOST_VALUES = 20
"""Maximum number of addresses, ids or other values in one search."""

FEWEST_LETTERS = 3
MOST_BEGINNINGS = 200
"""Minimum number of letters of the beginning of a value, and maximum number of values found by it."""

HELP = gettext_lazy(
    "Address or API data, or its beginning; message ID, domain, or a word of a subject of the past 31 days."
)

_AROUND = BLANKS + "\"'`´()[]{}<>«»‹›“”‘’„‚「」『』【】〈〉《》（）,;:.!?、。，．；：！？｡｢｣､･"
"""What stands around a word that was copied, and belongs to no address."""
_IN_BRACKETS = re.compile(r"\S\s*<[^<>]*@[^<>]*>\s*$")
"""A name before an address in angle brackets, which belong to it."""
_ADDRESS = re.compile(r"[^\s<>()\[\]\"',;:、，；「」]+@[^\s<>()\[\]\"',;:、，；「」]+")
"""What may be an address in a line that was copied."""
_BETWEEN = re.compile(r"[\s,;、，；]+")


class SearchResult(NamedTuple):
    """The mails that a search means, and a description of what was searched for.

    `is_found` is False if the text was not searched for in subjects either. `address` is the text if it is
    an address, also one without mails. `searched` are the days whose subjects are searched, if any are.
    `until` is the value of `time.monotonic()` at which the search is stopped, None if it reads few rows.
    `is_by_address` says that the mails are listed in the order of their addresses.
    """

    mails: MailQuerySet
    words: str
    is_found: bool = True
    address: str = ""
    searched: DateRange | None = None
    until: float | None = None
    is_by_address: bool = False

    @property
    def earlier(self) -> DateRange | None:
        """Return the days before those whose subjects are searched."""
        first = self.searched.first if self.searched else None
        return None if first is None else _past(first - timedelta(days=1))

    @property
    def fewer(self) -> DateRange | None:
        """Return the last week of the days whose subjects are searched, or else their last day."""
        if self.searched is None or self.searched.are_at_most(1):
            return None
        number = 1 if self.searched.are_at_most(DAYS_OF_FEWER) else DAYS_OF_FEWER
        return _past(self.searched.last or timezones.today(), number)


def interpret(mails: MailQuerySet, typed: str, days: DateRange) -> SearchResult | None:
    """Return the mails that `typed` means; None if it is blank.

    The text counts as a message ID, an address, API data or a domain only if a mail has it. It is looked for
    as it was typed, then in the form of `plain`.
    """
    spellings = list(dict.fromkeys(filter(None, (wire.clean(typed).strip(), plain(typed)))))
    if not spellings:
        return None
    for text in spellings:
        if found := _exactly(mails, text):
            return found
    text = spellings[-1]
    if found := _several(mails, text) or _beginning(mails, text) or _beginning_of_api_data(mails, text):
        return found
    is_address = "@" in text and not text.startswith(("@", "<"))  # a message id stands in angle brackets
    searched = days if days.first or days.last else _past(timezones.today())
    if "@" in text or not searched.are_at_most(DAYS_OF_SUBJECTS):
        return SearchResult(
            mails.none(),
            _looked_for(text) % _quoted(text),
            is_found=False,
            address=text if is_address else "",
        )
    words = _("the word %s in the subjects of the chosen days")
    if searched != days:
        words = _("the word %s in the subjects of the past 31 days")
        begin, end = searched.bounds()
        mails = mails.filter(created_at__gte=begin, created_at__lt=end)
    return SearchResult(
        _with_subject(mails, text),
        words % _quoted(text),
        searched=searched,
        until=time.monotonic() + SECONDS,
    )


def plain(typed: str) -> str:
    """Return a text as a person means it.

    Full-width letters become plain ones (NFKC). `mailto:`, invisible characters, and the brackets, quotes and
    punctuation around the text are removed.
    """
    text = "".join(letter for letter in _nfkc(wire.clean(typed)) if letter.isspace() or letter not in BLANKS)
    text = text.strip(BLANKS) if _IN_BRACKETS.search(text) else text.strip(_AROUND)
    if text[:7].lower() == "mailto:":
        text = text[7:].partition("?")[0].strip(_AROUND)
    return text


def addresses_in(typed: str) -> list[str]:
    """Return the texts that may be the address that is meant: as typed, plain, and the addresses inside."""
    text = plain(typed)
    return list(dict.fromkeys(filter(None, (typed, text, *_distinct(_ADDRESS.findall(text))))))


def address_in(typed: str) -> str:
    """Return the only address in a text, the text if there is none or more than one."""
    found = _distinct(_ADDRESS.findall(plain(typed)))
    return found[0] if len(found) == 1 else typed


def _nfkc(text: str) -> str:
    """Normalise a text of a length that a person types: the time grows with the square of the length."""
    return unicodedata.normalize("NFKC", text) if len(text) <= LONGEST else text


def _past(last: date, days: int = DAYS_OF_SUBJECTS) -> DateRange:
    return DateRange(last - timedelta(days=days - 1), last)


def _quoted(text: str) -> str:
    return _("“%s”") % text


def _exactly(mails: MailQuerySet, text: str) -> SearchResult | None:
    """Return the mails that have the text as a whole, None if there are none."""
    found = [
        SearchResult(meant, words % _quoted(text), address=address)
        for meant, words, address in _by_identity(mails, text)
        if meant.exists()
    ]
    if len(found) == 2:
        both, words = found[0].mails | found[1].mails, _("the message id or address %s")
        return SearchResult(both, words % _quoted(text), address=text)
    if found:
        return found[0]
    for meant, words in _by_rest(mails, text):
        if meant.exists():
            return SearchResult(meant, words % _quoted(text))
    return None


def _several(mails: MailQuerySet, text: str) -> SearchResult | None:
    """Return the mails that have one of several values, or the address in a line; None if there is none."""
    if addresses := _distinct(_ADDRESS.findall(text)):
        return None if addresses == [text] else _of_addresses(mails, addresses)
    parts = _distinct(_BETWEEN.split(text))
    if len(parts) < 2:
        return None
    keys = [key for part in parts if (key := _key(part))]
    if len(keys) == len(parts):
        found, words = mails.filter(pk__in=keys), _("the mails with the ids %s")
    else:
        spellings = [each for part in parts for each in _either_case(part)]
        found, words = _with_api_data(mails, spellings), _("the API data %s")
    return SearchResult(found, words % _listed(parts)) if found.exists() else None


def _of_addresses(mails: MailQuerySet, texts: list[str]) -> SearchResult:
    """Return the mails to these addresses. If there are none, the texts may be message ids."""
    to_them = reduce(or_, map(mails.for_address, texts))
    if not to_them.exists():
        of_them = reduce(or_, map(mails.for_message, texts))
        if of_them.exists():
            return SearchResult(of_them, _("the message ids %s") % _listed(texts))
    if len(texts) == 1:
        return SearchResult(to_them, _("the address %s") % _listed(texts), address=texts[0])
    return SearchResult(to_them, _("the addresses %s") % _listed(texts))


def _distinct(parts: list[str]) -> list[str]:
    """Return the first parts of a text as a person means them, each once."""
    return list(dict.fromkeys(filter(None, map(plain, parts))))[:MOST_VALUES]


def _listed(texts: list[str]) -> str:
    return ", ".join(map(_quoted, texts))


def _beginning(mails: MailQuerySet, text: str) -> SearchResult | None:
    """Return the mails to the first addresses that begin with a text, None if there are none."""
    start = text.lower()
    if not FEWEST_LETTERS <= len(start) <= ADDRESS_LENGTH or start[0] in "@<" or " " in start:
        return None
    addresses = beginning_with(mails, "address", start, MOST_BEGINNINGS + 1)
    if not addresses:
        return None
    shown = {"text": _quoted(text), "number": MOST_BEGINNINGS}
    words = _("addresses that begin with %(text)s") % shown
    if len(addresses) > MOST_BEGINNINGS:
        words = _("the first %(number)d addresses that begin with %(text)s") % shown
    found = mails.filter(address__in=addresses[:MOST_BEGINNINGS])
    return SearchResult(found, words, is_by_address=True)


def _beginning_of_api_data(mails: MailQuerySet, text: str) -> SearchResult | None:
    """Return the mails whose API data begins with a text, in either case, None if there are none.

    Few values may have most of the mails, so that the time of their list is limited.
    """
    if len(text) < FEWEST_LETTERS or text[0] in "@<":
        return None
    values: list[str] = []
    for start in _either_case(text):
        values += beginning_with(mails, "api_data", start, MOST_BEGINNINGS + 1, is_partial=True)
    if not values:
        return None
    words = _("API data that begin with %(text)s")
    if len(values) > MOST_BEGINNINGS:
        words = _("the first %(number)d API data that begin with %(text)s")
    return SearchResult(
        _with_api_data(mails, values[:MOST_BEGINNINGS]),
        words % {"text": _quoted(text), "number": MOST_BEGINNINGS},
        until=time.monotonic() + SECONDS,
    )


def _by_identity(mails: MailQuerySet, text: str) -> Iterator[tuple[MailQuerySet, str, str]]:
    """Yield the mails, their description and the address that the text may be."""
    if text.startswith("@"):
        return
    if key := _key(text):
        yield mails.filter(pk=key), _("the mail with the id %s"), ""
        return
    yield mails.for_message(text), _("the message id %s"), ""
    if wire.canonical_mailbox(text) and len(_ADDRESS.findall(text)) <= 1:
        yield mails.for_address(text), _("the address %s"), text


def _by_rest(mails: MailQuerySet, text: str) -> Iterator[tuple[MailQuerySet, str]]:
    """Yield the searches to try only if no message ID and no address matches."""
    domain = text.removeprefix("@").lower()
    if "." in domain and "@" not in domain and " " not in domain:
        yield mails.for_domain(domain), _("the domain %s")
    if not text.startswith("@"):
        yield _with_api_data(mails, _either_case(text)), _("the API data %s")


def _either_case(text: str) -> list[str]:
    return list(dict.fromkeys((text, text.lower(), text.upper())))


def _with_api_data(mails: MailQuerySet, texts: list[str]) -> MailQuerySet:
    room = mails.model._meta.get_field("api_data").max_length
    # SQLite uses a partial index only for a query that repeats its condition.
    return mails.exclude(api_data="").filter(one_of(mails.db, "api_data", {text[:room] for text in texts}))


def _with_subject(mails: MailQuerySet, text: str) -> MailQuerySet:
    return mails.filter(subject__icontains=text)


def _key(text: str) -> UUID | None:
    """Return the primary key that a text is, None if it is not one."""
    try:
        return UUID(text) if len(text) in (32, 36) else None
    except ValueError:
        return None


def _looked_for(text: str) -> str:
    if text.startswith("@"):
        return _("the domain %s")
    return _("a message id, an address, a domain and API data that are %s")
