"""What became of the mails that a search found: their number and the share of each status, by one query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Count, Q

from cmc_webhooks import numerals
from cmc_webhooks.admin import filters, labels, markup

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from cmc_webhooks.admin.changelist import KeysetList

__all__ = ["MOST_MAILS", "Found", "Share", "of"]

MOST_MAILS = 10_000
"""Maximum number of mails that are counted."""


class Share(NamedTuple):
    """The share of the mails with one status, with the URL of their list and the name of its colours."""

    text: str
    url: str
    tone: str


class Found(NamedTuple):
    """A number of mails as text, and the shares of their statuses, largest first; none above the maximum."""

    number: str
    shares: list[Share]
    amount: int


def of(mails: QuerySet[Any], changelist: KeysetList) -> Found:
    """Return what became of these mails. Above `MOST_MAILS` there are no shares."""
    numbers = {
        f"of_{place}": Count("pk", filter=Q(status=status))
        for place, status in enumerate(labels.STATUS_WORDS)
    }
    counted = mails.order_by()[: MOST_MAILS + 1].aggregate(number=Count("pk"), **numbers)
    number = counted["number"]
    if number > MOST_MAILS:
        return Found(f"{numerals.grouped(MOST_MAILS)}+", [], number)
    by_status = {status: counted[f"of_{place}"] for place, status in enumerate(labels.STATUS_WORDS)}
    by_status[filters.OTHER] = number - sum(by_status.values())
    largest = sorted(by_status.items(), key=lambda pair: -pair[1])
    return Found(
        numerals.grouped(number), [_share(changelist, *pair, number) for pair in largest if pair[1]], number
    )


def _share(changelist: KeysetList, status: str, number: int, total: int) -> Share:
    percent = f"{100 * number / total:.0f}" if 100 * number >= total else "< 1"
    url = changelist.get_query_string({"status": status}, remove=["cursor"])
    return Share(f"{percent} % {labels.outcome_word(status)}", url, markup.tone(status))
