"""What people type into the search box, and what they mean: found by an index, never by a part of a text.

A word of the subject is the exception: it is looked for within the days that are chosen, 31 at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cmc_webhooks import wire
from cmc_webhooks.querysets import exactly

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmc_webhooks.admin.filters import Days
    from cmc_webhooks.querysets import MailQuerySet

SEARCH_FIELDS = ("message_id", "address", "api_data")
"""Django shows a search box where an admin names any; it never looks them up itself here."""

DAYS_OF_SUBJECTS = 31

HELP = gettext_lazy(
    "An address, a message id, an API data value or a domain, each as a whole; with a date range of at most"
    " 31 days also a part of the subject."
)


class Meaning(NamedTuple):
    """The mails that are meant, and in words what they were looked for by."""

    mails: MailQuerySet
    words: str
    is_found: bool = True


def understand(mails: MailQuerySet, typed: str, days: Days) -> Meaning | None:
    """What `typed` stands for; None if it is blank.

    A message id, an address, a value of API data or a domain is taken for one if a mail has it.
    """
    text = wire.clean(typed).strip()
    if not text:
        return None
    shown = _("“%s”") % text
    found = [Meaning(meant, words % shown) for meant, words in _by_identity(mails, text) if meant.exists()]
    if len(found) == 2:
        both, words = found[0].mails | found[1].mails, _("the message id or address %s")
        return Meaning(both, words % shown)
    if found:
        return found[0]
    for meant, words in _by_rest(mails, text):
        if meant.exists():
            return Meaning(meant, words % shown)
    if days.are_at_most(DAYS_OF_SUBJECTS):
        words = _("the word %s in the subjects of the chosen days") % shown
        return Meaning(mails.filter(subject__icontains=text), words)
    return Meaning(mails.none(), _looked_for(text) % shown, is_found=False)


def _by_identity(mails: MailQuerySet, text: str) -> Iterator[tuple[MailQuerySet, str]]:
    if text.startswith("@"):
        return
    yield mails.for_message(text), _("the message id %s")
    if wire.normalise_address(text):
        yield mails.for_address(text), _("the address %s")


def _by_rest(mails: MailQuerySet, text: str) -> Iterator[tuple[MailQuerySet, str]]:
    """What is looked for only if no message and no address is meant."""
    domain = text.removeprefix("@").lower()
    if "." in domain and "@" not in domain and " " not in domain:
        yield mails.for_domain(domain), _("the domain %s")
    if not text.startswith("@"):
        room = mails.model._meta.get_field("api_data").max_length
        # SQLite takes a partial index only for a query that repeats its condition.
        yield exactly(mails.exclude(api_data=""), "api_data", text[:room]), _("the API data %s")


def _looked_for(text: str) -> str:
    if text.startswith("@"):
        return _("the domain %s")
    return _("a message id, an address, a domain and API data that are %s")
