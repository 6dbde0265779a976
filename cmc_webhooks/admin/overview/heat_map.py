"""The share not delivered, domain by day: unusual domains first, then the largest."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django.utils.dateformat import format as format_date
from django.utils.translation import gettext as _

from cmc_webhooks import numerals
from cmc_webhooks.admin.overview.figures import FEWEST_MAILS
from cmc_webhooks.admin.overview.periods import EACH_NAMED, days_of
from cmc_webhooks.statistics.reports import DomainDay

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from cmc_webhooks.admin.overview.links import Links
    from cmc_webhooks.admin.overview.periods import Slot
    from cmc_webhooks.statistics import reports

__all__ = ["LEVELS", "DomainRow", "HeatMap", "domains_of", "drawn"]

ROWS = 12
LEVELS = (0.02, 0.05, 0.1, 0.3)
"""Shares at which the next level begins. Level 0 is nothing refused, level 5 the darkest."""


class Cell(NamedTuple):
    """A slot of a domain: the share in per cent, its level, tooltip and URL; all empty without mails."""

    text: str = ""
    level: int = 0
    title: str = ""
    url: str = ""


class DomainRow(NamedTuple):
    """A domain with its cells and the commonest reply to its refused mails."""

    domain: str
    url: str
    is_unusual: bool
    share: str
    cells: list[Cell]
    reply: str


class Head(NamedTuple):
    """The head of a column: its full name, and the lines that have room."""

    name: str
    lines: tuple[str, ...]


class HeatMap(NamedTuple):
    """The heads of the columns and the rows."""

    heads: list[Head]
    rows: list[DomainRow]


def domains_of(found: reports.Overview, unusual: Sequence[str]) -> list[str]:
    """Return the domains that have a row: unusual ones whatever their size, then those with most mails."""
    return list(dict.fromkeys([*unusual, *(each.domain for each in found.domains)]))[
        : max(ROWS, len(unusual))
    ]


def drawn(
    found: reports.Overview,
    slots: Sequence[Slot],
    unusual: Sequence[str],
    replies: Mapping[str, str],
    links: Links,
) -> HeatMap:
    """Return the heat map of these days or weeks."""
    rows = []
    for domain in domains_of(found, unusual):
        days = found.days_of.get(domain, {})
        whole = _sum(days, list(days))
        cells = [_cell(domain, slot, _sum(days, days_of(slot.days)), links) for slot in slots]
        share = numerals.percentage(whole.refused, whole.mails)
        reply = replies.get(domain, "")
        rows.append(DomainRow(domain, links.to_domain(domain), domain in unusual, share, cells, reply))
    return HeatMap([_head(slot, len(slots)) for slot in slots], rows)


def _sum(days: Mapping[date, DomainDay], chosen: Sequence[date]) -> DomainDay:
    known = [days[day] for day in chosen if day in days]
    return DomainDay(sum(day.mails for day in known), sum(day.refused for day in known))


def _cell(domain: str, slot: Slot, counted: DomainDay, links: Links) -> Cell:
    if not counted.mails:
        return Cell()
    values = {
        "domain": domain,
        "days": slot.name,
        "refused": numerals.grouped(counted.refused),
        "mails": numerals.grouped(counted.mails),
        "share": numerals.percentage(counted.refused, counted.mails),
    }
    title = _("%(domain)s, %(days)s: %(refused)s of %(mails)s mails not delivered (%(share)s)") % values
    text = numerals.grouped(100 * counted.refused / counted.mails)
    return Cell(text, level(counted), title, links.to_domain(domain, slot.days))


def level(counted: DomainDay) -> int:
    """Return how dark a cell is. A few mails say nothing, so that they are never darker than level 1."""
    if not counted.refused:
        return 0
    share = counted.refused / counted.mails
    return 1 + sum(share >= edge for edge in LEVELS) if counted.mails >= FEWEST_MAILS else 1


def _head(slot: Slot, number: int) -> Head:
    """Return the weekday and the day, of which columns of many days have room for a letter and a number."""
    first = slot.days.first
    if number <= EACH_NAMED or first is None:
        return Head(slot.name, slot.label)
    if slot.days.first == slot.days.last:
        return Head(slot.name, (format_date(first, "D")[:1], str(first.day)))
    return Head(slot.name, (slot.label[0] if slot.label else "", str(first.day)))
