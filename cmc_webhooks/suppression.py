"""May one send to an address? What its mails told, what CMC's own list says, and what people decided."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import router
from django.db.models import QuerySet

from cmc_webhooks import rows, store, wire
from cmc_webhooks.conf import app_settings
from cmc_webhooks.models import BlockEvent, Mail, Suppression
from cmc_webhooks.querysets import ADDRESS_LENGTH, may_be_cut
from cmc_webhooks.status import BounceClass, DeliveryStatus, bounce_class
from cmc_webhooks.verdicts import AHEAD, BY_HAND, FREE, Outcome, Rule, Verdict, believable, judge

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

__all__ = [
    "BY_HAND",
    "MOST_MAILS",
    "Address",
    "Outcome",
    "Rule",
    "Verdict",
    "block",
    "forget",
    "judge",
    "look_up",
    "may_send",
    "release",
    "verdicts",
]

MOST_MAILS = 1000
"""The latest mails to an address of which is told how they ended."""

LATEST = 20

ADDRESSES_AT_ONCE = 1000
_LATE = timedelta(days=14)
"""A mail's last word may come that long after its first."""
_EVER = datetime(1970, 1, 2, tzinfo=UTC)


class Address(NamedTuple):
    """What is known of an address; `told` is the verdict that would hold without a block by hand.

    `outcomes` are those of its latest `MOST_MAILS` mails, `latest` a few of these rows.
    """

    address: str
    verdict: Verdict
    told: Verdict
    outcomes: list[Outcome]
    latest: QuerySet[Mail]

    @property
    def bounces(self) -> Counter[str]:
        """How many of its mails bounced, by class."""
        return Counter(outcome.word for outcome in self.outcomes if outcome.word != DeliveryStatus.SUCCEEDED)


def may_send(address: str) -> bool:
    """Whether one may send to an address, in any spelling, with or without a display name."""
    return verdicts([address])[address].may_send


def verdicts(addresses: Iterable[str]) -> dict[str, Verdict]:
    """The verdict about each address, by its spelling; one statement for 1,000 of them."""
    found = dict.fromkeys(addresses, FREE)
    spellings = defaultdict[str, list[str]](list)
    for spelling in found:
        spellings[_sent_to(spelling)].append(spelling)
    given = sorted(filter(None, spellings))  # neighbours lie in the same pages of an index
    for start in range(0, len(given), ADDRESSES_AT_ONCE):
        for address, verdict in _judged(given[start : start + ADDRESSES_AT_ONCE]):
            for spelling in spellings[address]:
                found[spelling] = verdict
    return found


def look_up(address: str) -> Address:
    """What is known of an address, in any spelling; two statements, and one for `latest`."""
    bare = wire.normalise_address(address)
    mails = Mail.objects.for_address(bare).order_by("-created_at", "-pk")
    told, decision = _told_of_one(_sent_to(bare))
    without = decision and decision._replace(kind=Suppression.Kinds.RELEASED)
    verdicts = _with_decision(told, decision), _with_decision(told, without)
    return Address(bare, *verdicts, _outcomes(mails), mails[:LATEST])


def _told_of_one(address: str) -> tuple[list[Outcome], _Decision | None]:
    """Outcomes that can still count, and what was decided."""
    if not may_be_cut(address):
        told = _told([address] if address else [])
        return told.outcomes[address], told.decisions.get(address)
    outcomes = _outcomes(Mail.objects.for_address(address).order_by("-created_at", "-pk"))
    decided = Suppression._default_manager.filter(pk=wire.address_key(address))
    decision = decided.values_list("kind", "decided_at", "until", "forgiven_until").first()
    return [*outcomes, *_blocks(address)], decision and _Decision(*decision)


def _outcomes(mails: QuerySet[Mail]) -> list[Outcome]:
    """How the latest of these mails ended; one statement."""
    ends = mails.values_list("status", "bounce_code", "bounce_event_id", "status_at", "created_at")
    return [
        Outcome(status_at or created_at, bounce_class(code) if bounced else status, created_at)
        for status, code, bounced, status_at, created_at in ends[:MOST_MAILS]
        if bounced or status == DeliveryStatus.SUCCEEDED
    ]


def _blocks(address: str) -> list[Outcome]:
    """CMC's latest operations on an address."""
    blocks = BlockEvent.objects.for_address(address).order_by("-pk")
    return [
        Outcome(at, BounceClass.SUPPRESSED, heard_at)
        for at, heard_at in blocks.values_list("occurred_at", "received_at")[:MOST_MAILS]
    ]


def block(address: str, *, until: datetime | None = None, note: str = "") -> Suppression:
    """Let nothing be sent to an address any more, whatever its mails tell; `until` is aware or as stored.

    What was forgiven before stays so when the block has ended.
    """
    end = until and rows.stored(rows.aware(until))
    return _decide(address, Suppression.Kinds.BLOCKED, until=end, note=note)


def release(address: str, *, note: str = "") -> Suppression:
    """Forgive all that was told of an address so far, and a block by hand; only a newer bounce forbids again.

    Newer is what happened later, by CMC's clock: what is told again stays forgiven.
    """
    told, _ = _told_of_one(_sent_to(address))
    latest = max((outcome.at for outcome in _believable(told, datetime.now(UTC))), default=None)
    return _decide(
        address, Suppression.Kinds.RELEASED, forgiven_until=latest and rows.stored(latest), note=note
    )


def forget(address: str) -> bool:
    """Take back what was decided by hand about an address; whether anything was."""
    return bool(store.forget_decision(store.alias(), wire.address_key(wire.normalise_address(address))))


def _sent_to(address: str) -> str:
    """The form of an address that mail is sent to, and that CMC tells of: its domain is in ASCII."""
    return wire.address_forms(wire.normalise_address(address))[0]


def _decide(address: str, kind: str, **values: Any) -> Suppression:
    bare = wire.normalise_address(address)
    decided_at = rows.stored(datetime.now(UTC))
    decision = Suppression(
        id=wire.address_key(bare), address=bare[:ADDRESS_LENGTH], kind=kind, decided_at=decided_at, **values
    )
    store.decide(store.alias(), decision)
    return decision


class _Decision(NamedTuple):
    kind: str
    decided_at: datetime
    until: datetime | None
    forgiven_until: datetime | None


class _Told(NamedTuple):
    """By address, as `_sent_to` has it: outcomes that can still count, and decisions."""

    outcomes: defaultdict[str, list[Outcome]]
    decisions: dict[str, _Decision]


def _judged(addresses: Collection[str]) -> Iterator[tuple[str, Verdict]]:
    """Each address of which anything is known, and the verdict about it."""
    told = _told([address for address in addresses if not may_be_cut(address)])
    for address in told.outcomes.keys() | told.decisions.keys():
        yield address, _with_decision(told.outcomes.get(address, []), told.decisions.get(address))
    for address in filter(may_be_cut, addresses):  # it is compared whole, by itself
        yield address, look_up(address).verdict


def _with_decision(stored: Iterable[Outcome], decision: _Decision | None) -> Verdict:
    now = datetime.now(UTC)
    outcomes = _believable(stored, now)
    if decision is None:
        return judge(outcomes, app_settings.suppression, now)
    if decision.kind == Suppression.Kinds.BLOCKED:
        until = decision.until and rows.aware(decision.until)
        if until is None or until > now:
            since = rows.aware(decision.decided_at)
            return Verdict(may_send=False, reason=BY_HAND, since=since, until=until)
    forgiven = decision.forgiven_until and rows.aware(decision.forgiven_until)
    newer = [outcome for outcome in outcomes if forgiven is None or outcome.at > forgiven]
    return judge(newer, app_settings.suppression, now)


def _believable(stored: Iterable[Outcome], now: datetime) -> list[Outcome]:
    """The outcomes with aware times, none of them in a future that a wrong clock told of."""
    return believable(
        (Outcome(rows.aware(at), word, heard_at and rows.aware(heard_at)) for at, word, heard_at in stored),
        now,
    )


def _told(addresses: Iterable[str]) -> _Told:
    """Each address's bounces and blocks, a later success, and what was decided.

    One statement; a second one where a bounce still counts that we heard of late: there older successes do.
    """
    rule, now, using = app_settings.suppression, datetime.now(UTC), router.db_for_read(Mail)
    whose = {form: one for one in addresses for form in wire.address_forms(one)}
    end, since, counted = (rows.stored(each) for each in (now + AHEAD, *_bounds(rule, now)))
    outcomes: defaultdict[str, list[Outcome]] = defaultdict(list)
    decisions, late = {}, set[str]()
    for told in store.told_of(using, whose, (since, end)):
        if told.address not in whose:
            continue
        if told.kind == store.told.DECISION:
            decision = _Decision(told.word, told.at, told.other, told.forgiven_until)
            decisions[whose[told.address]] = decision
            continue
        outcomes[whose[told.address]].append(_outcome(told))
        if told.other is not None and told.at < since and told.other > counted:
            late.add(told.address)
    if late:
        for told in store.told_of(using, late, (rows.stored(_EVER), end)):
            if told.kind == store.told.SUCCESS and told.address in late:
                outcomes[whose[told.address]].append(_outcome(told))
    return _Told(outcomes, decisions)


def _outcome(told: store.told.Told) -> Outcome:
    word = bounce_class(told.word) if told.kind == store.told.BOUNCE else told.word
    return Outcome(told.at, word, told.other)


def _bounds(rule: Rule, now: datetime) -> tuple[datetime, datetime]:
    """Since when mails are received whose success can matter, and since when what was told still counts."""
    try:
        counted = now - rule.expires if rule.expires else _EVER
        return max(_EVER, counted - rule.soft * rule.window - _LATE), max(_EVER, counted)
    except OverflowError:
        return _EVER, _EVER
