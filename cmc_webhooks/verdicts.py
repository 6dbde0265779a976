"""May one send to an address, after all that its mails told? Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from cmc_webhooks.status import BounceClass, DeliveryStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["AHEAD", "BY_HAND", "Outcome", "Rule", "Verdict", "believable", "judge"]

BY_HAND = "by_hand"
"""The reason of a block that a person decided on."""

AHEAD = timedelta(days=1)
"""A time further ahead than this is one of a wrong clock, not of a wrong zone."""


class Rule(NamedTuple):
    """How often and how long: `soft` soft bounces in a row, each within `window` of the one before, suppress.

    A verdict expires `expires` after the bounce that it comes from, or after its receipt if that is later;
    None: never.
    """

    soft: int = 3
    window: timedelta = timedelta(days=30)
    expires: timedelta | None = timedelta(days=180)


class Outcome(NamedTuple):
    """How one mail to an address ended: when, `succeeded` or the class of its bounce, and when we heard."""

    at: datetime
    word: str
    heard_at: datetime | None = None


class Verdict(NamedTuple):
    """Whether one may send; if not, why: a bounce class or `BY_HAND`, since when and until when.

    `until` is None where that has no end.
    """

    may_send: bool
    reason: str = ""
    since: datetime | None = None
    until: datetime | None = None


FREE = Verdict(may_send=True)


def believable(outcomes: Iterable[Outcome], now: datetime) -> list[Outcome]:
    """The outcomes, those of a wrong clock as what they can be; times are aware.

    A bounce that is still to come happened when we heard of it; a success that is says nothing.
    """
    made = []
    for outcome in outcomes:
        if outcome.at <= now + AHEAD:
            made.append(outcome)
        elif outcome.word != DeliveryStatus.SUCCEEDED:
            made.append(outcome._replace(at=min(outcome.heard_at or now, now)))
    return made


def judge(outcomes: Iterable[Outcome], rule: Rule, now: datetime) -> Verdict:
    """The verdict that outcomes in any order lead to; times are aware.

    A hard bounce forbids at once, and so does CMC's own suppression; soft ones do when they come in a row; a
    later success allows again. What the destination refuses (policy), what is wrong with one mail (message),
    and unknown codes say nothing about the address.
    """
    verdict, row = FREE, list[datetime]()
    for at, word, heard_at in sorted(outcomes, key=_by_time):
        if word == DeliveryStatus.SUCCEEDED:
            verdict, row = FREE, []
        elif word == BounceClass.SOFT:
            row = [*row, at] if row and at - row[-1] <= rule.window else [at]
        in_a_row = word == BounceClass.SOFT and len(row) >= rule.soft
        if in_a_row or word in (BounceClass.HARD, BounceClass.SUPPRESSED):
            until = _end(max(at, heard_at or at), rule)
            if not verdict.may_send and _is_before(until, verdict.until):
                until = verdict.until  # that bounce was told late
            verdict = Verdict(may_send=False, reason=word, since=at, until=until)
    return FREE if verdict.until and verdict.until <= now else verdict


def _end(moment: datetime, rule: Rule) -> datetime | None:
    """When what begins then has expired; None: never, or after all days that a calendar has."""
    try:
        return None if rule.expires is None else moment + rule.expires
    except OverflowError:
        return None


def _is_before(until: datetime | None, other: datetime | None) -> bool:
    """Whether one end of a verdict comes before another; None is no end."""
    return until is not None and (other is None or until < other)


def _by_time(outcome: Outcome) -> tuple[datetime, bool, str, datetime]:
    # at one instant the bounce counts; of several always the same one
    at, word, heard_at = outcome
    return at, word != DeliveryStatus.SUCCEEDED, str(word), heard_at or at
