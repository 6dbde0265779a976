"""Rules that decide from outcomes and decisions whether an address is suppressed. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from cmc_webhooks.bounce_codes import bounce_class
from cmc_webhooks.status import DeliveryStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cmc_webhooks.conf import SuppressionRule

__all__ = [
    "AHEAD",
    "BLOCKED",
    "BY_HAND",
    "HARD",
    "REASONS",
    "SOFT",
    "UNSUBSCRIBED",
    "Decision",
    "Explained",
    "Facts",
    "Outcome",
    "Question",
    "Reason",
    "Verdict",
    "at_cmc",
    "believable",
    "judge",
    "reason_of_code",
    "to_keep",
]

BY_HAND, HARD, BLOCKED, UNSUBSCRIBED, SOFT = "by_hand", "hard", "blocked", "unsubscribed", "soft"
REASONS = (BY_HAND, HARD, BLOCKED, UNSUBSCRIBED, SOFT)
"""The reasons of a suppression. Of several, a verdict gives the first of this order."""

_LISTED = {"10": BLOCKED, "11": UNSUBSCRIBED}
_AT_CMC = (BLOCKED, UNSUBSCRIBED)
_NOT_FOR_TRANSACTIONAL = (UNSUBSCRIBED, SOFT)
_OF_A_COMPOSITION = (BLOCKED, UNSUBSCRIBED, SOFT)
_RANK = {reason: rank for rank, reason in enumerate(REASONS)}

# The kinds of `models.Suppression`
_BLOCK, _LIFTED = "blocked", "lifted"

AHEAD = timedelta(days=1)
"""A time further ahead than this comes from a wrong clock, not from a wrong zone."""


class Outcome(NamedTuple):
    """Outcome of one mail to an address: its time, and `succeeded`, a reason, or another bounce class.

    `heard_at` is when the mail, or CMC's block of the address, was first received. `composition` is that of
    the mail; of a success, None is any one that is not named. An outcome that an erasure kept suppresses by
    itself until `until`.
    """

    at: datetime
    word: str
    heard_at: datetime | None = None
    composition: str | None = ""
    is_kept: bool = False
    until: datetime | None = None


class Decision(NamedTuple):
    """A row of `models.Suppression` that is not kept: its kind, composition, times, and what was lifted."""

    kind: str
    composition: str
    decided_at: datetime
    until: datetime | None = None
    forgiven_until: datetime | None = None
    reason: str = ""

    def ignores(self, outcome: Outcome) -> bool:
        """Return whether an outcome does not count because of this decision."""
        if self.forgiven_until is None or outcome.at > self.forgiven_until:
            return False
        if self.kind == _LIFTED:
            return outcome.word == self.reason and outcome.composition == self.composition
        if not self.composition:
            return True
        return outcome.word in _OF_A_COMPOSITION and outcome.composition == self.composition


class Facts(NamedTuple):
    """All that counts for the verdict on one address. Times are aware."""

    outcomes: Sequence[Outcome] = ()
    decisions: Sequence[Decision] = ()


class Question(NamedTuple):
    """What a mail is sent for: its server composition (None: any), and whether its recipient asked for it."""

    composition: str | None = None
    transactional: bool = False


class Reason(NamedTuple):
    """One reason why an address is suppressed, for one server composition or everywhere ("").

    `since` is the time of the latest bounce or of the decision, `until` the end, None if it has none.
    `number` is the number of soft bounces in a row. `cause` is the server composition that a release has to
    name to ignore the reason, "" if it has to name none.
    """

    reason: str
    since: datetime
    until: datetime | None = None
    composition: str = ""
    number: int = 1
    cause: str = ""

    @property
    def at_cmc(self) -> bool:
        """Return whether it is an entry of CMC's own lists."""
        return self.reason in _AT_CMC


class Verdict(NamedTuple):
    """Verdict on an address. If it is suppressed, `reason` is one of `REASONS`, for `composition` ("": all).

    `since` is when that reason began. `until` is when no reason is left, None if there is no end. `at_cmc` is
    True if CMC refuses mail to the address until its own entry is removed, whatever is decided here; then
    `composition` of a verdict that allows it is the one where CMC refuses.
    """

    may_send: bool
    reason: str = ""
    since: datetime | None = None
    until: datetime | None = None
    composition: str = ""
    at_cmc: bool = False


class Explained(NamedTuple):
    """A verdict with all reasons that apply; the first of them is that of the verdict."""

    verdict: Verdict
    reasons: tuple[Reason, ...] = ()


FREE = Explained(Verdict(may_send=True))


def reason_of_code(code: str) -> str:
    """Return what a bounce with this code means: a reason, or a bounce class without effect."""
    return _LISTED.get(code) or bounce_class(code).value


def believable(outcomes: Iterable[Outcome], now: datetime) -> list[Outcome]:
    """Return the outcomes, corrected where a clock was wrong; times are aware.

    Times more than `AHEAD` in the future are wrong. Such a bounce is dated at its receipt, or now if that is
    unknown or later. Such a success is dropped.
    """
    made = []
    for outcome in outcomes:
        if outcome.at <= now + AHEAD:
            made.append(outcome)
        elif outcome.word != DeliveryStatus.SUCCEEDED:
            made.append(outcome._replace(at=min(outcome.heard_at or now, now)))
    return made


def judge(facts: Facts, question: Question, rule: SuppressionRule, now: datetime) -> Explained:
    """Return the verdict for facts in any order. The docs have the precedence as a table."""
    reasons = [each for each in _reasons(facts, rule, now) if _stops(each, question)]
    held = [each for each in at_cmc(facts, rule, now) if _concerns(each, question)]
    if not reasons:
        if held:
            return Explained(Verdict(may_send=True, composition=held[0].composition, at_cmc=True))
        return FREE
    first, *rest = reasons
    until = first.until
    for other in rest:
        until = _later(until, other.until)
    verdict = Verdict(
        may_send=False,
        reason=first.reason,
        since=first.since,
        until=until,
        composition=first.composition,
        at_cmc=bool(held),
    )
    return Explained(verdict, tuple(reasons))


def at_cmc(facts: Facts, rule: SuppressionRule, now: datetime) -> list[Reason]:
    """Return the entries of CMC's own lists that still hold there, whatever was decided here."""
    listed = [each for each in facts.outcomes if each.word in _AT_CMC]
    if not listed:
        return []
    lifts = [decision for decision in facts.decisions if decision.kind == _LIFTED]
    successes = [each for each in facts.outcomes if each.word == DeliveryStatus.SUCCEEDED]
    return _in_force([*_counted(listed, lifts), *successes], rule, now)


def to_keep(facts: Facts, rule: SuppressionRule, now: datetime) -> list[Reason]:
    """Return what must be kept of an address whose mails are erased: its reasons, and CMC's own entries.

    An entry that was released here is kept too, since CMC goes on refusing. The release ignores it as before.
    """
    counted = _in_force(_counted(facts.outcomes, facts.decisions), rule, now)
    known = {(each.reason, each.composition) for each in counted}
    held = at_cmc(facts, rule, now)
    return counted + [each for each in held if (each.reason, each.composition) not in known]


def _reasons(facts: Facts, rule: SuppressionRule, now: datetime) -> list[Reason]:
    by_hand = [
        Reason(BY_HAND, each.decided_at, each.until, each.composition)
        for each in facts.decisions
        if each.kind == _BLOCK and (each.until is None or each.until > now)
    ]
    counted = _counted(facts.outcomes, facts.decisions)
    return sorted([*by_hand, *_in_force(counted, rule, now)], key=_by_rank)


def _counted(outcomes: Iterable[Outcome], decisions: Sequence[Decision]) -> list[Outcome]:
    if not decisions:
        return list(outcomes)
    return [
        each
        for each in outcomes
        if each.word == DeliveryStatus.SUCCEEDED or not any(decision.ignores(each) for decision in decisions)
    ]


def _concerns(reason: Reason, question: Question) -> bool:
    return question.composition is None or reason.composition in ("", question.composition)


def _stops(reason: Reason, question: Question) -> bool:
    if question.transactional and reason.reason in _NOT_FOR_TRANSACTIONAL:
        return False
    return _concerns(reason, question)


def _in_force(outcomes: Iterable[Outcome], rule: SuppressionRule, now: datetime) -> list[Reason]:
    """Return the reasons that these outcomes make and that have not ended, in the order of `REASONS`.

    A hard bounce suppresses the address immediately, and so does an entry of CMC's lists, for its
    composition. Soft bounces suppress it when they come in a row. A later success lifts hard and soft ones,
    and the entries of its own composition. Refusals by the destination (policy), problems with one mail
    (message) and unknown codes say nothing about the address.
    """
    reasons, row = dict[tuple[str, str], Reason](), _Row(rule)
    for outcome in sorted(outcomes, key=_by_time):
        word, composition = outcome.word, outcome.composition or ""
        if word == DeliveryStatus.SUCCEEDED:
            row.clear()
            lifted = [(HARD, ""), (SOFT, "")]
            if outcome.composition is not None:
                lifted += [(listed, composition) for listed in _AT_CMC]
            for key in lifted:
                reasons.pop(key, None)
        elif word == SOFT:
            if row.count(outcome):
                made = Reason(SOFT, outcome.at, _end(outcome, rule.soft_expires), "", row.number, row.cause)
                _add(reasons, made)
        elif word == HARD:
            _add(reasons, Reason(HARD, outcome.at, _end(outcome, rule.expires)))
        elif word in _AT_CMC:
            made = Reason(word, outcome.at, _end(outcome, rule.expires), composition, cause=composition)
            _add(reasons, made)
    return sorted([each for each in reasons.values() if each.until is None or each.until > now], key=_by_rank)


class _Row:
    """The soft bounces in a row, of which each counted one is `apart` from the one before it."""

    def __init__(self, rule: SuppressionRule) -> None:
        self._rule = rule
        self._last: datetime | None = None
        self._compositions: list[str] = []

    @property
    def number(self) -> int:
        return len(self._compositions)

    @property
    def cause(self) -> str:
        first, *others = set(self._compositions)
        return "" if others else first

    def clear(self) -> None:
        self._compositions = []

    def count(self, outcome: Outcome) -> bool:
        """Count a bounce, unless it is too near to the last one. Return whether it suppresses the address."""
        rule, last = self._rule, self._last
        composition = outcome.composition or ""
        if outcome.is_kept:
            self._compositions = [composition] * max(rule.soft, 1)
        elif last is not None and outcome.at - last < rule.apart:
            return False
        elif last is not None and outcome.at - last <= rule.window:
            self._compositions.append(composition)
        else:
            self._compositions = [composition]
        self._last = outcome.at
        return self.number >= rule.soft


def _add(reasons: dict[tuple[str, str], Reason], made: Reason) -> None:
    """Add a reason. An earlier one that ends later, as its bounce was reported late, extends it."""
    key = made.reason, made.composition
    if earlier := reasons.get(key):
        made = made._replace(until=_later(made.until, earlier.until))
    reasons[key] = made


def _end(outcome: Outcome, expires: timedelta | None) -> datetime | None:
    """Return when what an outcome causes ends; None if never, or beyond the calendar."""
    if outcome.is_kept:
        return outcome.until
    try:
        return None if expires is None else max(outcome.at, outcome.heard_at or outcome.at) + expires
    except OverflowError:
        return None


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    """Return the later of two ends; None is no end."""
    return None if one is None or other is None else max(one, other)


def _by_time(outcome: Outcome) -> tuple[datetime, bool, str, str, datetime]:
    # at the same instant the bounce counts, not the success; of several bounces always the same one
    at, word, heard_at, composition, *_ = outcome
    return at, word != DeliveryStatus.SUCCEEDED, str(word), composition or "", heard_at or at


def _by_rank(reason: Reason) -> tuple[int, bool, bool, float, str]:
    ends = reason.until is not None
    latest = -reason.until.timestamp() if reason.until is not None else 0.0
    return _RANK[reason.reason], bool(reason.composition), ends, latest, reason.composition
