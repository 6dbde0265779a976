"""What people type into the search box: a whole message id, a whole address, or a whole API data value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q

from cmc_webhooks import wire
from cmc_webhooks.querysets import ADDRESS_LENGTH, keys_of_message

if TYPE_CHECKING:
    from cmc_webhooks.querysets import MailQuerySet

SEARCH_FIELDS = ("message_id", "address", "api_data")
"""Django shows a search box where an admin names any; it never looks them up itself here."""


def mails_meant(mails: MailQuerySet, typed: str) -> Q:
    """The condition on mails that `typed` stands for; each of its parts is an equality on an index.

    API data is looked for only if no message and no address is meant, since MySQL and MariaDB, which have no
    partial indexes, have to scan for it. Blanks mean every mail.
    """
    text = wire.clean(typed).strip()
    if not text:
        return Q()
    message_or_address = Q(pk__in=keys_of_message(mails, text))
    if address := wire.normalise_address(text)[:ADDRESS_LENGTH]:
        message_or_address |= Q(address=address)
    if mails.filter(message_or_address).exists():
        return message_or_address
    return Q(api_data=text[: mails.model._meta.get_field("api_data").max_length])
