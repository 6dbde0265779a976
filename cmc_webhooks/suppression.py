"""May one send to an address? What the latest mails to it, and CMC's own list, say."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from django.utils import timezone

from cmc_webhooks import wire
from cmc_webhooks.models import BlockEvent, Mail
from cmc_webhooks.status import BounceClass, DeliveryStatus, bounce_class

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet

__all__ = ["MOST_MAILS", "Address", "Outcome", "Rule", "Verdict", "judge", "look_up", "may_send"]

MOST_MAILS = 1000
"""The latest mails to an address that are looked at, and the latest of CMC's operations on it."""

LATEST = 20


class Rule(NamedTuple):
    """How often and how long: `soft` soft bounces in a row, each within `window` of the one before, suppress.

    A verdict expires `expires` after the bounce that it comes from.
    """

    soft: int = 3
    window: timedelta = timedelta(days=30)
    expires: timedelta = timedelta(days=180)


class Outcome(NamedTuple):
    """How one mail to the address ended: when, and `succeeded` or the class of its bounce."""

    at: datetime
    word: str


class Verdict(NamedTuple):
    """Whether one may send; if not, the bounce class that forbids it, and when that was told."""

    may_send: bool
    reason: str = ""
    since: datetime | None = None


class Address(NamedTuple):
    """What is known of an address, from its latest `MOST_MAILS` mails; `latest` are a few of these rows."""

    address: str
    verdict: Verdict
    outcomes: list[Outcome]
    latest: QuerySet[Mail]

    @property
    def bounces(self) -> Counter[str]:
        """How many of its mails bounced, by class."""
        return Counter(outcome.word for outcome in self.outcomes if outcome.word != DeliveryStatus.SUCCEEDED)


def may_send(address: str) -> bool:
    """Whether one may send to an address, in any spelling, with or without a display name."""
    return look_up(address).verdict.may_send


def look_up(address: str) -> Address:
    """What is known of an address, in any spelling; two statements, and one for `latest`."""
    mails = Mail.objects.for_address(address).order_by("-created_at", "-pk")
    ends = mails.values_list("status", "bounce_code", "bounce_event_id", "status_at", "created_at")
    outcomes = [
        Outcome(status_at or created_at, bounce_class(code) if bounced else status)
        for status, code, bounced, status_at, created_at in ends[:MOST_MAILS]
        if bounced or status == DeliveryStatus.SUCCEEDED
    ]
    blocks = BlockEvent.objects.for_address(address).order_by("-pk")
    blocked = [
        Outcome(at, BounceClass.SUPPRESSED)
        for at in blocks.values_list("occurred_at", flat=True)[:MOST_MAILS]
    ]
    verdict = judge([*outcomes, *blocked], Rule(), timezone.now())
    return Address(wire.normalise_address(address), verdict, outcomes, mails[:LATEST])


def judge(outcomes: Iterable[Outcome], rule: Rule, now: datetime) -> Verdict:
    """The verdict that outcomes in any order lead to.

    A hard bounce forbids at once, and so does CMC's own suppression; soft ones do when they come in a row; a
    later success allows again. What the destination refuses (policy), what is wrong with one mail (message),
    and unknown codes say nothing about the address.
    """
    verdict = Verdict(may_send=True)
    row: list[datetime] = []
    for at, word in sorted(outcomes, key=_by_time):
        if word == DeliveryStatus.SUCCEEDED:
            verdict, row = Verdict(may_send=True), []
        elif word == BounceClass.SOFT:
            row = [*row, at] if row and at - row[-1] <= rule.window else [at]
        in_a_row = word == BounceClass.SOFT and len(row) >= rule.soft
        if in_a_row or word in (BounceClass.HARD, BounceClass.SUPPRESSED):
            verdict = Verdict(may_send=False, reason=word, since=at)
    if verdict.since and verdict.since + rule.expires <= now:
        return Verdict(may_send=True)
    return verdict


def _by_time(outcome: Outcome) -> tuple[datetime, bool]:
    # at one instant the bounce counts
    return outcome.at, outcome.word != DeliveryStatus.SUCCEEDED
