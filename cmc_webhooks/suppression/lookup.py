"""Verdicts on addresses, by the outcomes of their mails, CMC's own lists and decisions made by hand."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from cmc_webhooks import timezones, wire
from cmc_webhooks.bounce_codes import bounce_class
from cmc_webhooks.conf import SuppressionRule, app_settings
from cmc_webhooks.models import BlockEvent, Mail, Suppression, routing
from cmc_webhooks.models.querysets import NAME_LENGTH, may_be_cut
from cmc_webhooks.status import DeliveryStatus
from cmc_webhooks.store import address_facts
from cmc_webhooks.suppression import rules
from cmc_webhooks.suppression.rules import (
    AHEAD,
    FREE,
    Decision,
    Explained,
    Facts,
    Outcome,
    Question,
    Reason,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from django.db.models import QuerySet

__all__ = [
    "MOST_MAILS",
    "Address",
    "decisions_about",
    "explain",
    "known_facts",
    "look_up",
    "may_send",
    "question",
    "sent_form",
    "verdicts",
]

MOST_MAILS = 1000
"""Number of latest mails to an address whose outcomes are read."""

LATEST = 20

ADDRESSES_AT_ONCE = 1000
_LATE = timedelta(days=14)
"""Longest time that is expected between the first and the last event of a mail."""
_EVER = datetime(1970, 1, 2, tzinfo=UTC)
_KEPT = Suppression.Kinds.KEPT.value


class Address(NamedTuple):
    """Facts about an address.

    `reasons` are all that suppress it, the verdict's first. `at_cmc` are the entries of CMC's lists for it
    that still hold there, whatever was decided here. `bounces` are the numbers of its latest `MOST_MAILS`
    mails that bounced, by class. The querysets read the database that is written to: its decisions (a
    person's, and what was kept or lifted), CMC's operations on its list, and a few of its latest mails, each
    latest first.
    """

    address: str
    verdict: Verdict
    reasons: tuple[Reason, ...]
    at_cmc: list[Reason]
    bounces: Counter[str]
    decisions: QuerySet[Suppression]
    blocks: QuerySet[BlockEvent]
    latest: QuerySet[Mail]


def may_send(address: str, *, composition: str | None = None, transactional: bool = False) -> bool:
    """Return whether mail may be sent to an address, in any spelling, with or without a display name.

    See `verdicts` for the arguments.
    """
    return verdicts([address], composition=composition, transactional=transactional)[address].may_send


def verdicts(
    addresses: Iterable[str], *, composition: str | None = None, transactional: bool = False
) -> dict[str, Verdict]:
    """Return the verdict on each address, by its spelling; usually in one query for 1,000 addresses.

    `composition` is the server composition that the mail is sent through. CMC keeps its lists for each of
    them. Without it, an address is suppressed if it is for any. `transactional` mail, which the person asked
    for, is not stopped by an unsubscribe or by soft bounces.
    """
    found = explain(addresses, composition=composition, transactional=transactional)
    return {address: explained.verdict for address, explained in found.items()}


def explain(
    addresses: Iterable[str], *, composition: str | None = None, transactional: bool = False
) -> dict[str, Explained]:
    """Return the verdict on each address with its reasons, as `verdicts` does and at the same cost."""
    asked = question(composition, transactional=transactional)
    found = dict.fromkeys(addresses, FREE)
    spellings = defaultdict[str, list[str]](list)
    for spelling in found:
        spellings[sent_form(spelling)].append(spelling)
    given = sorted(filter(None, spellings))  # neighbours are on the same pages of an index
    for start in range(0, len(given), ADDRESSES_AT_ONCE):
        for address, explained in _judged(given[start : start + ADDRESSES_AT_ONCE], asked):
            for spelling in spellings[address]:
                found[spelling] = explained
    return found


def question(composition: str | None, *, transactional: bool = False) -> Question:
    """Return the question, with the composition as columns hold it."""
    return Question(composition if composition is None else composition[:NAME_LENGTH], transactional)


def look_up(address: str, *, composition: str | None = None, transactional: bool = False) -> Address:
    """Return the facts about an address, in any spelling; usually in two queries, and one per queryset."""
    now, rule = datetime.now(UTC), app_settings.suppression
    bare = wire.canonical_mailbox(address)
    mails, facts = _mails_to(bare), known_facts(bare)
    explained = rules.judge(facts, question(composition, transactional=transactional), rule, now)
    return Address(
        address=bare,
        verdict=explained.verdict,
        reasons=explained.reasons,
        at_cmc=rules.at_cmc(facts, rule, now),
        bounces=_bounces(mails),
        decisions=decisions_about(bare).order_by("-decided_at", "-pk"),
        blocks=_blocks_of(bare),
        latest=mails[:LATEST],
    )


def decisions_about(address: str) -> QuerySet[Suppression]:
    """Return the decisions about an address in any spelling, and what was kept or lifted of it."""
    key = wire.address_key(sent_form(address))
    return Suppression._default_manager.using(routing.write_alias()).filter(address_key=key)


def known_facts(address: str) -> Facts:
    """Return the facts that can still count for the verdict on one address, in any spelling."""
    form = sent_form(address)
    if not may_be_cut(form):
        return _load([form] if form else [])[form]
    outcomes, decisions = [*_outcomes(_mails_to(form)), *_blocks(form)], list[Decision]()
    for row in decisions_about(form):
        if row.kind == _KEPT:
            since = row.since or row.decided_at
            outcomes.append(Outcome(since, row.reason, since, row.server_composition, True, row.until))
        else:
            times = row.decided_at, row.until, row.forgiven_until
            decisions.append(Decision(row.kind, row.server_composition, *times, row.reason))
    return _aware(outcomes, decisions, datetime.now(UTC))


def sent_form(address: str) -> str:
    """Return the form of an address that mail is sent to and that CMC reports: with its domain in ASCII."""
    return wire.address_forms(wire.canonical_mailbox(address))[0]


def _mails_to(address: str) -> QuerySet[Mail]:
    """Return the mails to an address, latest first, from the database that is written to."""
    return Mail.objects.using(routing.write_alias()).for_address(address).order_by("-created_at", "-pk")


def _blocks_of(address: str) -> QuerySet[BlockEvent]:
    """Return the operations on CMC's list of blocked addresses for one address, latest first."""
    return BlockEvent.objects.using(routing.write_alias()).for_address(address).order_by("-pk")


def _bounces(mails: QuerySet[Mail]) -> Counter[str]:
    ends = mails.values_list("bounce_code", "bounce_event_id")[:MOST_MAILS]
    return Counter(bounce_class(code).value for code, bounced in ends if bounced)


def _outcomes(mails: QuerySet[Mail]) -> list[Outcome]:
    """Return the outcomes of the latest of these mails, in one query."""
    columns = "status", "bounce_code", "bounce_event_id", "status_at", "created_at", "server_composition"
    return [
        Outcome(
            status_at or created_at,
            rules.reason_of_code(code) if bounced else status,
            created_at,
            composition,
        )
        for status, code, bounced, status_at, created_at, composition in mails.values_list(*columns)[
            :MOST_MAILS
        ]
        if bounced or status == DeliveryStatus.SUCCEEDED
    ]


def _blocks(address: str) -> list[Outcome]:
    """Return the latest operations on CMC's list of blocked addresses for one address, as outcomes."""
    rows = _blocks_of(address).values_list("occurred_at", "received_at", "server_composition")
    return [
        Outcome(at, rules.BLOCKED, heard_at, composition) for at, heard_at, composition in rows[:MOST_MAILS]
    ]


def _judged(addresses: Collection[str], asked: Question) -> Iterator[tuple[str, Explained]]:
    """Yield addresses and their verdicts. Addresses without any facts may be missing."""
    now, rule = datetime.now(UTC), app_settings.suppression
    known = _load([address for address in addresses if not may_be_cut(address)])
    for address, facts in known.items():
        yield address, rules.judge(facts, asked, rule, now)
    for address in filter(may_be_cut, addresses):  # such an address is compared as a whole, one at a time
        yield address, rules.judge(known_facts(address), asked, rule, now)


def _aware(outcomes: Iterable[Outcome], decisions: Iterable[Decision], now: datetime) -> Facts:
    """Return the facts with aware times.

    Outcomes that a wrong clock dated in the future are corrected or dropped.
    """
    aware = timezones.to_aware
    made = [
        outcome._replace(
            at=aware(outcome.at),
            heard_at=outcome.heard_at and aware(outcome.heard_at),
            until=outcome.until and aware(outcome.until),
        )
        for outcome in outcomes
    ]
    decided = [
        decision._replace(
            decided_at=aware(decision.decided_at),
            until=decision.until and aware(decision.until),
            forgiven_until=decision.forgiven_until and aware(decision.forgiven_until),
        )
        for decision in decisions
    ]
    return Facts(rules.believable(made, now), decided)


def _load(addresses: Collection[str]) -> defaultdict[str, Facts]:
    """Load the bounces, blocks, latest successes and decisions of each address, usually in one query.

    A second query is needed if an old bounce was received so late that it still counts: older successes then
    count as well.
    """
    rule, now, using = app_settings.suppression, datetime.now(UTC), routing.write_alias()
    whose = {form: one for one in addresses for form in wire.address_forms(one)}
    end, since, counted = (timezones.to_stored(each) for each in (now + AHEAD, *_bounds(rule, now)))
    outcomes = defaultdict[str, list[Outcome]](list)
    decisions = defaultdict[str, set[Decision]](set)
    late = set[str]()
    for fact in address_facts.load(using, whose, (since, end)) if whose else ():
        address = whose.get(fact.address)
        if address is None:
            continue
        if fact.kind == address_facts.DECISION:
            kind, _, reason = fact.word.partition(" ")
            if kind != _KEPT:
                times = fact.at, fact.other, fact.forgiven_until
                decisions[address].add(Decision(kind, fact.composition or "", *times, reason))
                continue
            outcomes[address].append(Outcome(fact.at, reason, fact.at, fact.composition, True, fact.other))
            still_counts = fact.other is None or fact.other > timezones.to_stored(now)
        else:
            outcomes[address].append(_outcome(fact))
            still_counts = fact.other is not None and fact.other > counted
        if still_counts and fact.at < since:
            late.add(fact.address)
    if late:
        for fact in address_facts.load(using, late, (timezones.to_stored(_EVER), end)):
            if fact.kind == address_facts.SUCCESS and fact.address in late:
                outcomes[whose[fact.address]].append(_outcome(fact))
    known = defaultdict[str, Facts](Facts)
    for address in outcomes.keys() | decisions.keys():
        known[address] = _aware(outcomes.get(address, ()), decisions.get(address, ()), now)
    return known


def _outcome(fact: address_facts.AddressFact) -> Outcome:
    word = rules.reason_of_code(fact.word) if fact.kind == address_facts.BOUNCE else fact.word
    return Outcome(fact.at, word, fact.other, fact.composition)


def _bounds(rule: SuppressionRule, now: datetime) -> tuple[datetime, datetime]:
    """Return since when mails were received whose success can matter, and since when outcomes count."""
    ends = rule.expires, rule.soft_expires
    try:
        counted = _EVER if None in ends else now - max(filter(None, ends))
        return max(_EVER, counted - rule.soft * rule.window - _LATE), max(_EVER, counted)
    except OverflowError:
        return _EVER, _EVER
