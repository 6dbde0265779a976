"""Play CMC: invented life stories as the notifications that CMC would make of them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from cmc_webhooks import stories, wire
from cmc_webhooks.posting import Post

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from cmc_webhooks.credentials import Credentials
    from cmc_webhooks.stories import Told

__all__ = ["Plan", "posts"]

SECONDS_BETWEEN = 20.0
SPAN_SECONDS = 30 * 86_400
EVENTS_OF_A_MESSAGE = 2.5
HELD = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is told: `events` different events, `batch` at most in one notification.

    Of the events the share `duplicates` is told a second time. `start` is CMC's wall clock at the first one.
    The same plan makes the same bytes; another `start` changes only times.
    """

    seed: int
    start: datetime
    events: int = 1000
    batch: int = 100
    duplicates: float = 0.0
    reorder: bool = False
    form: bool = False
    version: int = 2

    @property
    def seconds_between(self) -> float:
        """From message to message by CMC's clock: 20, or less, so that all are sent within 30 days."""
        return min(SECONDS_BETWEEN, SPAN_SECONDS * EVENTS_OF_A_MESSAGE / self.events)

    @property
    def span(self) -> timedelta:
        """From the first event to the last, about."""
        sending = self.seconds_between * self.events / EVENTS_OF_A_MESSAGE
        return timedelta(days=2, seconds=int(sending))


def posts(plan: Plan, credentials: Credentials) -> Iterator[Post]:
    """The requests of a plan, made one after the other."""
    for event_type, events in batches(told(plan), plan.batch):
        body, content_type = wire.encode(
            event_type, events, api_key=credentials.api_key or None, form=plan.form, version=plan.version
        )
        yield Post(body, content_type, len(events))


def told(plan: Plan) -> Iterator[Told]:
    """The events of a plan in the order in which they are told."""
    dice = random.Random(f"{plan.seed} stories")  # noqa: S311 - a play
    events = stories.by_time(dice, plan.start, plan.events, plan.seconds_between)
    if plan.duplicates:
        events = _some_twice(random.Random(f"{plan.seed} twice"), events, plan.duplicates)  # noqa: S311 - a play
    if plan.reorder:
        events = _shuffled(random.Random(f"{plan.seed} order"), events)  # noqa: S311 - a play
    return events


def batches(events: Iterable[Told], size: int) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Events as notifications: each type apart, all that waits as soon as `size` of a type do.

    CMC posts all that waits after a second, or when it has 100 of a type:
    https://smtps.jp/docs-en/apiv2/webhook/event.
    """
    waiting: dict[str, list[dict[str, str]]] = {}
    for event_type, values in events:
        some = waiting.setdefault(event_type, [])
        some.append(values)
        if len(some) == size:
            yield from waiting.items()
            waiting = {}
    yield from waiting.items()


def _some_twice(dice: random.Random, events: Iterable[Told], share: float) -> Iterator[Told]:
    """All events, a share of them a second time: soon, or up to a thousand such later."""
    held: list[Told] = []
    for event in events:
        yield event
        if dice.random() < share:
            held.append(event)
        if held and (dice.random() < share or len(held) > HELD):
            yield held.pop(dice.randrange(len(held)))
    yield from held


def _shuffled(dice: random.Random, events: Iterable[Told]) -> Iterator[Told]:
    """All events, each of them late by as many others as chance will have it: a thousand on average."""
    held: list[Told] = []
    for event in events:
        held.append(event)
        if len(held) > HELD:
            place = dice.randrange(len(held))
            held[place], held[-1] = held[-1], held[place]
            yield held.pop()
    dice.shuffle(held)
    yield from held
