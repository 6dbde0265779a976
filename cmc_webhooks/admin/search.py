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
SECONDS_OF_SUBJECTS = 5
"""Time for the statements of a page that search subjects. No index finds a part of a text."""

LONGEST = 1_000
"""Characters of a text that is normalised."""

MOST_ADDRESSES = 20
"""Maximum number of addresses in one search."""

FEWEST_LETTERS = 3
MOST_BEGINNINGS = 200
"""Minimum number of letters of the beginning of an address, and maximum number of addresses found by it."""

HELP = gettext_lazy(
    "Address or its beginning, message ID, API data, domain, or a word of a subject of the past 31 days."
)

_AROUND = BLANKS + "\"'`´()[]{}<>«»‹›“”‘’„‚「」『』【】〈〉《》（）,;:.!?、。，．；：！？｡｢｣､･"
"""What stands around a word that was copied, and belongs to no address."""
_IN_BRACKETS = re.compile(r"\S\s*<[^<>]*@[^<>]*>\s*$")
"""A name before an address in angle brackets, which belong to it."""
_BETWEEN = re.compile(r"[\s,;、，；]+")


class SearchResult(NamedTuple):
    """The mails that a search means, and a description of what was searched for.

    `is_found` is False if the text was not searched for in subjects either. `address` is the text if it is
    an address, also one without mails. `searched` are the days whose subjects are searched, and `until` is
    the value of `time.monotonic()` at which that is stopped; None where no subjects are searched.
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
    if found := _several(mails, text) or _beginning(mails, text):
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
        until=time.monotonic() + SECONDS_OF_SUBJECTS,
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
    """Return the mails to several addresses, None if the text is anything else."""
    parts = list(dict.fromkeys(filter(None, (plain(part) for part in _BETWEEN.split(text)))))
    if not 2 <= len(parts) <= MOST_ADDRESSES or not all("@" in part[1:] for part in parts):
        return None
    found = reduce(or_, [mails.for_address(part) for part in parts])
    return SearchResult(found, _("the addresses %s") % ", ".join(map(_quoted, parts)))


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


def _by_identity(mails: MailQuerySet, text: str) -> Iterator[tuple[MailQuerySet, str, str]]:
    """Yield the mails, their description and the address that the text may be."""
    if text.startswith("@"):
        return
    if key := _key(text):
        yield mails.filter(pk=key), _("the mail with the id %s"), ""
        return
    yield mails.for_message(text), _("the message id %s"), ""
    if wire.canonical_mailbox(text):
        yield mails.for_address(text), _("the address %s"), text


def _by_rest(mails: MailQuerySet, text: str) -> Iterator[tuple[MailQuerySet, str]]:
    """Yield the searches to try only if no message ID and no address matches."""
    domain = text.removeprefix("@").lower()
    if "." in domain and "@" not in domain and " " not in domain:
        yield mails.for_domain(domain), _("the domain %s")
    if not text.startswith("@"):
        room = mails.model._meta.get_field("api_data").max_length
        either_case = one_of(
            mails.db, "api_data", {each[:room] for each in (text, text.lower(), text.upper())}
        )
        # SQLite uses a partial index only for a query that repeats its condition.
        yield mails.exclude(api_data="").filter(either_case), _("the API data %s")


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
