"""Verdicts as the docs' page "May I send to this address?" gives them, row by row.

Written from these tables alone, with nothing of the package: what it answers is what has to hold.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

DAY = timedelta(days=1)
REASONS = ("by_hand", "hard", "blocked", "unsubscribed", "soft")
OF_CODE = {
    **dict.fromkeys(("1", "2", "9"), "hard"),
    **dict.fromkeys(("3", "5", "6", "7"), "soft"),
    "10": "blocked",
    "11": "unsubscribed",
    "block event": "blocked",
    "success": "success",
}
LASTS = {"hard": 180 * DAY, "blocked": 180 * DAY, "unsubscribed": 180 * DAY, "soft": 30 * DAY}


@dataclass(frozen=True)
class Fact:
    """A bounce, a block event or a success: CMC's time, its receipt, its server composition.

    What an erasure keeps has an end of its own; of soft bounces it is a whole row.
    """

    what: str
    composition: str
    at: datetime
    received: datetime
    end: datetime | None = None
    is_kept: bool = False

    @property
    def ends(self):
        if self.is_kept:
            return self.end
        return max(self.at, self.received) + LASTS[self.what]


@dataclass(frozen=True)
class Stop:
    """A reason that stops mail, everywhere ("") or in a server composition, and what it is made of."""

    reason: str
    composition: str
    since: datetime
    until: datetime | None
    of: frozenset[str] = frozenset()


@dataclass
class Address:
    """All that happened to an address, in the order in which we learnt of it."""

    facts: list[Fact] = field(default_factory=list)
    blocks: dict[str, tuple[datetime, datetime | None]] = field(default_factory=dict)
    ignored: dict[str, datetime] = field(default_factory=dict)
    lifted: dict[tuple[str, str], datetime] = field(default_factory=dict)

    def learn(self, what, composition, at, received):
        if OF_CODE.get(what):
            self.facts.append(Fact(OF_CODE[what], composition, at, received))

    def block(self, composition, now, until):
        self.blocks[composition] = (now, until)

    def release(self, composition, now):
        """Before it is what CMC dated up to the latest known bounce or block event, of its composition."""
        self.blocks.pop(composition, None)
        known = [
            fact.at
            for fact in believable(self.facts, now)
            if fact.what != "success" and composition in ("", fact.composition)
        ]
        before = [self.ignored[composition]] if composition in self.ignored else []
        if known + before:
            self.ignored[composition] = max(known + before)

    def forget(self, composition):
        self.blocks.pop(composition, None)
        self.ignored.pop(composition, None)

    def lift(self, reason, composition, now):
        known = [
            fact.at
            for fact in believable(self.facts, now)
            if (fact.what, fact.composition) == (reason, composition)
        ]
        self.lifted[reason, composition] = max(known, default=now)

    def erase(self, now):
        """What stops mail is kept, and CMC's entries are; all else is gone."""
        kept = {(stop.reason, stop.composition): stop for stop in self.at_cmc(now)}
        kept |= {(stop.reason, stop.composition): stop for stop in self.stops(now)}
        self.facts = [
            Fact(
                what=stop.reason,
                composition=next(iter(stop.of)) if stop.reason != "hard" and len(stop.of) == 1 else "",
                at=stop.since,
                received=stop.since,
                end=stop.until,
                is_kept=True,
            )
            for stop in kept.values()
        ]

    def stops(self, now):
        """What bounces and block events stop, after the decisions."""
        facts = [fact for fact in believable(self.facts, now) if not self.is_ignored(fact)]
        return [*listed(facts, now), *hard(facts, now), *soft(facts, now)]

    def at_cmc(self, now):
        """The entries of CMC's lists, which decisions here do not remove."""
        facts = [fact for fact in believable(self.facts, now) if not self.is_lifted(fact)]
        return listed(facts, now)

    def is_lifted(self, fact):
        mark = self.lifted.get((fact.what, fact.composition))
        return mark is not None and fact.at <= mark

    def is_ignored(self, fact):
        if fact.what == "success":
            return False
        if self.is_lifted(fact) or ("" in self.ignored and fact.at <= self.ignored[""]):
            return True
        mark = self.ignored.get(fact.composition) if fact.composition else None
        return fact.what != "hard" and mark is not None and fact.at <= mark

    def verdict(self, composition, transactional, now):
        """May it be sent, the reason, all that stops with this reason, the end of all, and is it at CMC."""
        stops = [
            Stop("by_hand", of, since, until)
            for of, (since, until) in self.blocks.items()
            if until is None or until > now
        ]
        stops += self.stops(now)
        if transactional:
            stops = [stop for stop in stops if stop.reason not in ("unsubscribed", "soft")]

        def concerns(stop):
            return composition is None or stop.composition in ("", composition)

        stops = [stop for stop in stops if concerns(stop)]
        at_cmc = any(map(concerns, self.at_cmc(now)))
        if not stops:
            return True, "", set(), None, at_cmc
        reason = min((stop.reason for stop in stops), key=REASONS.index)
        ends = [stop.until for stop in stops]
        first = {(stop.since, stop.composition) for stop in stops if stop.reason == reason}
        return False, reason, first, None if None in ends else max(ends), at_cmc


def believable(facts, now):
    """A time more than a day ahead is a wrong clock: the receipt counts, or nothing for a success."""
    for fact in facts:
        if fact.at <= now + DAY:
            yield fact
        elif fact.what != "success":
            yield replace(fact, at=min(fact.received, now))


def succeeded_after(facts, fact, *, composition=None):
    return any(
        other.what == "success"
        and other.at > fact.at
        and (composition is None or other.composition == composition)
        for other in facts
    )


def of_all(reason, composition, facts, now, of=()):
    """The stop that these facts make together, if it has not ended."""
    ends = [fact.ends for fact in facts]
    until = None if None in ends else max(ends)
    if until is None or until > now:
        yield Stop(reason, composition, max(fact.at for fact in facts), until, frozenset(of))


def hard(facts, now):
    left = [fact for fact in facts if fact.what == "hard" and not succeeded_after(facts, fact)]
    return of_all("hard", "", left, now) if left else ()


def listed(facts, now):
    for reason in ("blocked", "unsubscribed"):
        for composition in sorted({fact.composition for fact in facts}):
            left = [
                fact
                for fact in facts
                if (fact.what, fact.composition) == (reason, composition)
                and not succeeded_after(facts, fact, composition=composition)
            ]
            if left:
                yield from of_all(reason, composition, left, now, [composition])


def soft(facts, now):
    counted = []
    for fact in sorted((fact for fact in facts if fact.what == "soft"), key=lambda fact: fact.at):
        if fact.is_kept or not counted or fact.at - counted[-1].at >= DAY:
            counted.append(fact)
    rows = []
    for place, fact in enumerate(counted):
        before = counted[place - 1] if place else None
        is_new = (
            before is None
            or fact.is_kept
            or fact.at - before.at > 30 * DAY
            or any(each.what == "success" and before.at < each.at <= fact.at for each in facts)
        )
        rows.append([*([] if is_new else rows[-1]), fact])
    left = [row for row in rows if (len(row) >= 3 or row[0].is_kept) and not succeeded_after(facts, row[-1])]
    if not left:
        return ()
    of = {fact.composition for fact in left[-1]}
    return of_all("soft", "", [row[-1] for row in left], now, of)
