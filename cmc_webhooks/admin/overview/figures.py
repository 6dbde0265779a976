"""The figures of the overview: cards with their change, and the tables of bounce classes and domains."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils.translation import gettext as _

from cmc_webhooks import numerals
from cmc_webhooks.admin import filters, labels, markup
from cmc_webhooks.bounce_codes import BounceClass
from cmc_webhooks.status import BOUNCED, DeliveryStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_stubs_ext import StrOrPromise

    from cmc_webhooks.admin.overview.links import Links
    from cmc_webhooks.statistics import reports

__all__ = [
    "FEWEST_MAILS",
    "OUTCOMES",
    "bounces",
    "by_outcome",
    "cards",
    "outcome",
    "refused",
    "slowest",
    "worst",
]

LINES = 10
FEWEST_MAILS = 5
"""A share of fewer mails says nothing about a domain."""
_MANY_TIMES = 10
OUTCOMES = (
    DeliveryStatus.SUCCEEDED.value,
    DeliveryStatus.QUEUED.value,
    DeliveryStatus.DEFERRED.value,
    DeliveryStatus.FAILED.value,
    BOUNCED,
)


class Figure(NamedTuple):
    """A number with its name, the URL of the list that it counts, and its share if it has one.

    `change` says in words how it differs from the period before.
    """

    label: StrOrPromise
    number: int
    url: str
    tone: str = ""
    share: str = ""
    change: str = ""


class Row(NamedTuple):
    """A row of a table: its label and URL, and its values, each with a URL that may be empty."""

    label: str
    url: str
    cells: list[tuple[Any, str]]


def outcome(status: str) -> tuple[str, str]:
    """Return the name of a status's colours, and its word."""
    return markup.tone(status), labels.outcome_word(status)


def by_outcome(by_status: Mapping[str, int]) -> dict[str, int]:
    """Return the mails by outcome. All statuses that CMC does not document are one."""
    numbers = {status: by_status.get(status, 0) for status in OUTCOMES}
    return numbers | {filters.OTHER: sum(by_status.values()) - sum(numbers.values())}


def refused(by_status: Mapping[str, int]) -> int:
    """Return the number of mails that failed or bounced."""
    return by_status.get(DeliveryStatus.FAILED, 0) + by_status.get(BOUNCED, 0)


def cards(
    by_day: Mapping[Any, Counter[str]], before: Mapping[Any, Counter[str]], links: Links
) -> list[Figure]:
    """Return the numbers of all mails and of each outcome, with the change against the period before."""
    now, then = (by_outcome(sum(days.values(), Counter())) for days in (by_day, before))
    total, total_before = sum(now.values()), sum(then.values())
    found = [Figure(_("mails"), total, links.to(), change=_change_of_number(total, total_before))]
    for status, number in now.items():
        if number or status in (DeliveryStatus.SUCCEEDED, BOUNCED):
            tone, label = outcome(status)
            share = numerals.percentage(number, total)
            change = _change_of_share(
                share,
                numerals.percentage(then[status], total_before),
                number * total_before - then[status] * total,
            )
            found.append(Figure(label, number, links.to(status=status), tone, share, change))
    return found


def bounces(found: reports.Overview, links: Links) -> list[Figure]:
    """Return the mails of each bounce class."""
    total = sum(found.by_outcome.values())
    rows = []
    for kind in BounceClass:
        number = sum(n for (_status, each), n in found.by_outcome.items() if each == kind)
        if number:
            share = numerals.percentage(number, total)
            rows.append(Figure(kind.label, number, links.to(bounce_class=kind.value), "bad", share))
    return rows


def worst(found: reports.Overview, links: Links) -> list[Row]:
    """Return the domains that refused most mails. Those with less than `FEWEST_MAILS` are left out."""
    enough = [each for each in found.domains if each.refused and each.mails >= FEWEST_MAILS]
    return [
        Row(
            each.domain,
            links.to_domain(each.domain),
            [
                (each.mails, links.to_domain(each.domain)),
                (each.failed, links.to_domain(each.domain, status=DeliveryStatus.FAILED)),
                (each.bounced, links.to_domain(each.domain, status=BOUNCED)),
                (numerals.percentage(each.refused, each.mails), ""),
            ],
        )
        for each in sorted(enough, key=lambda each: (-each.refused, each.domain))[:LINES]
    ]


def slowest(found: reports.Overview, links: Links) -> list[Row]:
    """Return the domains that took longest, of those with most mails."""
    timed = [each for each in found.domains if each.slow is not None]
    timed.sort(key=lambda each: (-(each.slow or 0), each.domain))
    return [
        Row(
            each.domain,
            links.to_domain(each.domain),
            [
                (each.succeeded, links.to_domain(each.domain, status=DeliveryStatus.SUCCEEDED)),
                (labels.duration(each.median or 0), ""),
                (labels.duration(each.slow or 0), ""),
            ],
        )
        for each in timed[:LINES]
    ]


def _change_of_number(now: int, before: int) -> str:
    """Return the change in words and with an arrow. There is no percentage of nothing."""
    if not before:
        return _("none before") if now else ""
    values = {"before": numerals.grouped(before), "change": numerals.percentage(abs(now - before), before, 0)}
    if round(100 * now / before) == 100:
        return _("= about as many as before (%(before)s)") % values
    if now >= _MANY_TIMES * before:
        return _("↑ far more than before (%(before)s)") % values
    if now > before:
        return _("↑ %(change)s more than before (%(before)s)") % values
    return _("↓ %(change)s fewer than before (%(before)s)") % values


def _change_of_share(now: str, before: str, difference: int) -> str:
    """Return the change of a share. `difference` is above 0 if the share rose."""
    if not now or not before:
        return ""
    if now == before:
        return _("= as before")
    text = _("↑ up from %s") if difference > 0 else _("↓ down from %s")
    return text % before.replace(" ", "\N{NO-BREAK SPACE}")
