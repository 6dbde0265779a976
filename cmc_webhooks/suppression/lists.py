"""The list of all addresses that may not be sent to, automatically or by hand, walked in index order.

There is no table of them: a verdict follows from what is stored. So each page looks at a limited number of
addresses that may be suppressed, and the next page goes on behind them: first the addresses with a decision,
then those that CMC reported as blocked, then those with bounced mails. None has a total.
"""

from __future__ import annotations

import base64
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connections
from django.db.models import Max
from django.db.models.functions import MD5

from cmc_webhooks import wire
from cmc_webhooks.db import keyset
from cmc_webhooks.models import BlockEvent, Mail, Suppression, routing
from cmc_webhooks.models.querysets import MOST_KEYS, may_be_cut
from cmc_webhooks.suppression import lookup, rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from django.db.models import QuerySet

    from cmc_webhooks.suppression.rules import Reason, Verdict

__all__ = ["LOOKED_AT", "Listed", "Page", "listing", "stream"]

LOOKED_AT = 2000
"""Number of addresses that a page looks at, at most."""

PAGE_SIZE = 100
_FEWEST_AT_ONCE = 200
"""Number of addresses that are judged together, at least: a small page must not cost more statements."""


class Listed(NamedTuple):
    """An address that may not be sent to, the verdict on it, and all reasons, the verdict's first."""

    address: str
    verdict: Verdict
    reasons: tuple[Reason, ...]


class Page(NamedTuple):
    """Some addresses, and the cursor of the next page, None if there is none.

    A page may have few addresses or none, though others follow. `looked_at` is the number of addresses that
    were looked at.
    """

    rows: list[Listed]
    next: str | None
    looked_at: int


class Filters(NamedTuple):
    """The question, as for `verdicts`, and which of the suppressed addresses are listed."""

    composition: str | None = None
    transactional: bool = False
    reason: str = ""
    domain: str = ""


def listing(
    *,
    composition: str | None = None,
    transactional: bool = False,
    reason: str = "",
    domain: str = "",
    after: str = "",
    size: int = PAGE_SIZE,
) -> Page:
    """Return a page of about `size` addresses that may not be sent to, behind the cursor `after`.

    `composition` and `transactional` are the question, as for `verdicts`. `reason`, one of `rules.REASONS`,
    and `domain` select among the addresses. At most `LOOKED_AT` addresses are looked at.

    Raises:
        keyset.BadCursor: the cursor is malformed.
    """
    filters = Filters(composition, transactional, reason, domain)
    place, behind = _read_cursor(after)
    if place >= _number_of_sources(reason):
        raise keyset.BadCursor(after)
    at_once = min(max(2 * size, _FEWEST_AT_ONCE), lookup.ADDRESSES_AT_ONCE)
    looked_at, rows = 0, list[Listed]()
    while place < _number_of_sources(reason):
        candidates = _SOURCES[place](behind, LOOKED_AT - looked_at)
        seen = set[str]()
        for some in _chunks(candidates.addresses, at_once):
            found = _suppressed(some, place, filters)
            for address in some:
                seen.add(address)
                looked_at += 1
                rows += found.get(address, ())
                if len(rows) >= size:
                    # the database may take these for the same, and the next page begins behind them
                    alike = _alike(_TABLES[place]().filter(address=address))
                    others = [each for each in alike if each not in seen]
                    rows += chain.from_iterable(_suppressed(others, place, filters).values())
                    return Page(rows, _cursor(place, address), looked_at + len(others))
        if candidates.last is not None:
            return Page(rows, _cursor(place, candidates.last), looked_at)
        place, behind = place + 1, ""
        if looked_at >= LOOKED_AT and place < _number_of_sources(reason):
            return Page(rows, _cursor(place, behind), looked_at)
    return Page(rows, None, looked_at)


def _number_of_sources(reason: str) -> int:
    return 1 if reason == rules.BY_HAND else len(_SOURCES)


def _chunks(addresses: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(addresses), size):
        yield addresses[start : start + size]


def _suppressed(addresses: list[str], place: int, filters: Filters) -> dict[str, list[Listed]]:
    """Return what is listed of these addresses, by the address as its column holds it."""
    domains = _domain_forms(filters.domain)
    chosen = [each for each in addresses if not domains or wire.domain_of(each) in domains]
    whole = _without_earlier(chosen, place)
    found = lookup.explain(
        [each for wholes in whole.values() for each in wholes],
        composition=filters.composition,
        transactional=filters.transactional,
    )
    return {
        address: [
            Listed(each, *found[each])
            for each in wholes
            if not found[each].verdict.may_send
            and (not filters.reason or any(one.reason == filters.reason for one in found[each].reasons))
        ]
        for address, wholes in whole.items()
    }


def stream(
    *,
    composition: str | None = None,
    transactional: bool = False,
    reason: str = "",
    domain: str = "",
    after: str = "",
) -> Iterator[Listed]:
    """Yield all addresses that may not be sent to, page by page. See `listing` for the arguments."""
    following: str | None = after
    while following is not None:
        page = listing(
            composition=composition,
            transactional=transactional,
            reason=reason,
            domain=domain,
            after=following,
            size=LOOKED_AT,
        )
        yield from page.rows
        following = page.next


class _Candidates(NamedTuple):
    """Addresses to look at in index order; `last` is the last one if others follow."""

    addresses: list[str]
    last: str | None


def _decided(behind: str, limit: int) -> _Candidates:
    return _read(Suppression._default_manager.using(routing.write_alias()), behind, limit)


def _blocked(behind: str, limit: int) -> _Candidates:
    return _read(BlockEvent.objects.using(routing.write_alias()), behind, limit)


def _read(rows: Any, behind: str, limit: int) -> _Candidates:
    """Return the next addresses of a table that has an index of (address, id)."""
    found = list(
        rows.filter(address__gt=behind).order_by("address", "id").values_list("address", flat=True)[:limit]
    )
    return _cut(found, limit, lambda last: _alike(rows.filter(address=last)))


def _bounced(behind: str, limit: int) -> _Candidates:
    """Return the next addresses of mails, by the index of bounced ones.

    Without partial indexes, that index holds all mails. There the addresses are looked at, not their mails.
    """
    using = routing.write_alias()
    mails = Mail.objects.using(using).filter(address__gt=behind)
    bounced = Mail.objects.using(using).filter(bounce_event_id__isnull=False)
    if connections[using].features.supports_partial_indexes:
        found = mails.filter(bounce_event_id__isnull=False).order_by("address", "bounce_event_id")
        return _cut(list(found.values_list("address", flat=True)[:limit]), limit, lambda last: [])
    groups = mails.values("address").annotate(bounced=Max("bounce_event_id")).order_by("address")
    rows = list(groups[:limit])
    with_bounces = [row["address"] for row in rows if row["bounced"]]
    found_alike = _alike(bounced.filter(address__in=with_bounces)) if with_bounces else []
    is_cut = len(rows) == limit
    return _Candidates(found_alike, rows[-1]["address"] if is_cut else None)


def _cut(found: list[str], limit: int, alike: Callable[[str], list[str]]) -> _Candidates:
    """Return these addresses once each. If they were cut, add those that the database takes for the last."""
    is_cut = len(found) == limit
    if is_cut:
        found += alike(found[-1])
    return _Candidates(list(dict.fromkeys(found)), found[-1] if is_cut else None)


def _alike(rows: QuerySet[Any]) -> list[str]:
    """Return the different addresses of rows, é and e apart, whatever the collation."""
    if connections[rows.db].vendor != "mysql":
        return []
    letters = rows.order_by("address").values_list("address", MD5("address")).distinct()
    return [address for address, _ in letters]


def _without_earlier(addresses: Iterable[str], place: int) -> dict[str, list[str]]:
    """Return the whole addresses by those found, without the ones that an earlier source or row lists."""
    forms = {each: lookup.sent_form(each) for each in addresses}
    spelled = {form for address in forms for form in (address, *wire.address_forms(address))}
    listed = set[str]()
    for earlier in _TABLES[:place]:
        rows = earlier().filter(address__in=spelled)
        listed |= {
            lookup.sent_form(each) for each in rows.values_list("address", flat=True) if each in spelled
        }
    other_forms = {form for address, form in forms.items() if form != address}
    present = set[str]()
    if other_forms:
        present.update(_TABLES[place]().filter(address__in=other_forms).values_list("address", flat=True))
    return {
        address: _whole(address, place)
        for address, form in forms.items()
        if form not in listed and (form == address or form not in present)
    }


def _whole(address: str, place: int) -> list[str]:
    """Return the address, or the ones that its column holds the beginning of."""
    if not may_be_cut(address):
        return [address]
    rows: Any = _TABLES[place]().filter(address=address)
    if place == len(_TABLES) - 1:
        texts = rows.values_list("recipient", flat=True)[:MOST_KEYS]
        wholes = dict.fromkeys(wire.canonical_mailbox(each) for each in texts)
        return [each for each in wholes if each.startswith(address)]
    return []


_SOURCES = (_decided, _blocked, _bounced)
_TABLES: tuple[Callable[[], QuerySet[Any]], ...] = (
    lambda: Suppression._default_manager.using(routing.write_alias()).all(),
    lambda: BlockEvent.objects.using(routing.write_alias()).all(),
    lambda: Mail.objects.using(routing.write_alias()).filter(bounce_event_id__isnull=False),
)


def _domain_forms(domain: str) -> set[str]:
    if not domain:
        return set()
    forms = wire.address_forms(wire.canonical_mailbox(f"x@{domain.strip().removeprefix('@')}"))
    return {wire.domain_of(form) for form in forms}


def _cursor(place: int, address: str) -> str:
    return base64.urlsafe_b64encode(f"{place}{address}".encode()).decode()


def _read_cursor(cursor: str) -> tuple[int, str]:
    if not cursor:
        return 0, ""
    try:
        text = base64.urlsafe_b64decode(cursor.encode()).decode()
        place, behind = int(text[:1]), text[1:]
    except ValueError:
        raise keyset.BadCursor(cursor) from None
    if wire.clean(behind) != behind:  # no column can be compared with it
        raise keyset.BadCursor(cursor)
    return place, behind
