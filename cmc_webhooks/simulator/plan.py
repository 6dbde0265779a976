"""Simulated notifications: invented mail stories in the form in which CMC would send them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from cmc_webhooks import wire
from cmc_webhooks.simulator import scenarios
from cmc_webhooks.simulator.sender import Post

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from cmc_webhooks.simulator.credentials import Credentials
    from cmc_webhooks.simulator.scenarios import SimulatedEvent

__all__ = ["Plan", "posts"]

SECONDS_BETWEEN = 20.0
SPAN_SECONDS = 30 * 86_400
EVENTS_OF_A_MESSAGE = 2.5
HELD = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A simulation: `events` different events, at most `batch` per notification.

    The share `duplicates` of the events is sent a second time. `start` is CMC's wall clock at the first
    event. The same plan makes the same bytes. Another `start` changes only times.
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
        """Return the mean seconds between messages by CMC's clock: 20, or less to send all within 30 days."""
        return min(SECONDS_BETWEEN, SPAN_SECONDS * EVENTS_OF_A_MESSAGE / self.events)

    @property
    def span(self) -> timedelta:
        """Return the approximate time from the first event to the last."""
        sending = self.seconds_between * self.events / EVENTS_OF_A_MESSAGE
        return timedelta(days=2, seconds=int(sending))


def posts(plan: Plan, credentials: Credentials) -> Iterator[Post]:
    """Yield the requests of a plan. Each is made when it is needed."""
    for event_type, events in batches(in_order(plan), plan.batch):
        body, content_type = wire.encode(
            event_type, events, api_key=credentials.api_key or None, form=plan.form, version=plan.version
        )
        yield Post(body, content_type, len(events))


def in_order(plan: Plan) -> Iterator[SimulatedEvent]:
    """Return the events of a plan in the order in which they are sent."""
    dice = random.Random(f"{plan.seed} stories")  # noqa: S311 - simulated
    events = scenarios.by_time(dice, plan.start, plan.events, plan.seconds_between)
    if plan.duplicates:
        events = _some_twice(random.Random(f"{plan.seed} twice"), events, plan.duplicates)  # noqa: S311 - simulated
    if plan.reorder:
        events = _shuffled(random.Random(f"{plan.seed} order"), events)  # noqa: S311 - simulated
    return events


def batches(events: Iterable[SimulatedEvent], size: int) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Yield events as notifications of one event type each.

    All waiting events are yielded as soon as `size` of one type are waiting. CMC posts all waiting events
    after a second, or when it has 100 of one type: https://smtps.jp/docs-en/apiv2/webhook/event.
    """
    waiting: dict[str, list[dict[str, str]]] = {}
    for event_type, values in events:
        some = waiting.setdefault(event_type, [])
        some.append(values)
        if len(some) == size:
            yield from waiting.items()
            waiting = {}
    yield from waiting.items()


def _some_twice(
    dice: random.Random, events: Iterable[SimulatedEvent], share: float
) -> Iterator[SimulatedEvent]:
    """Yield all events, and a share of them a second time. At most 1,000 of these wait, for a random time."""
    held: list[SimulatedEvent] = []
    for event in events:
        yield event
        if dice.random() < share:
            held.append(event)
        if held and (dice.random() < share or len(held) > HELD):
            yield held.pop(dice.randrange(len(held)))
    yield from held


def _shuffled(dice: random.Random, events: Iterable[SimulatedEvent]) -> Iterator[SimulatedEvent]:
    """Yield all events, each delayed by a random number of others: 1,000 on average."""
    held: list[SimulatedEvent] = []
    for event in events:
        held.append(event)
        if len(held) > HELD:
            place = dice.randrange(len(held))
            held[place], held[-1] = held[-1], held[place]
            yield held.pop()
    dice.shuffle(held)
    yield from held
