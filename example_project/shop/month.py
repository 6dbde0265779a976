"""A month of invented mails up to now, so that every page of the demo has something to show.

A shop sends receipts through the server composition `pro`, and a newsletter through `newsletter`. On the last
two days one carrier refuses most of its mail.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from cmc_webhooks import ingest, wire
from cmc_webhooks.conf import app_settings
from cmc_webhooks.simulator import scenarios

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmc_webhooks.simulator.scenarios import Scenario

DAYS = 30
WEEKDAY, WEEKEND, NEWSLETTER = 110, 80, 150
"""Receipts on a day of each kind, and mails of each issue of the newsletter, which is sent on Tuesdays."""
CUSTOMERS = 900
CARRIER = "carrier.example"
DOMAINS = ("example.jp", CARRIER, "example.com", "example.net", "office.example.co.jp")
WEIGHTS = (40, 30, 15, 10, 5)
REFUSED_HOURS = 40
BATCH_HOURS = 6
PRO, NEWS = "pro", "newsletter"
SUBJECTS = {
    PRO: ("ご注文ありがとうございます", "発送のお知らせ", "Your receipt"),
    NEWS: ("会員様限定セール",),
}


@dataclass(frozen=True, slots=True)
class Sent:
    """A mail of the month: when it was sent, through what, to whom, and what became of it."""

    at: datetime
    composition: str
    message: scenarios.Message
    scenario: Scenario


def receive(now: datetime, seed: int = 20) -> int:
    """Receive the month that ends now (aware), in its order, as if CMC had posted it then.

    Returns:
        The number of events.
    """
    number = 0
    for (_, composition, event_type), some in groupby(events(now, seed), key=lambda each: each[:3]):
        group = [(at, values) for *_, at, values in some]
        for start in range(0, len(group), 100):
            batch = group[start : start + 100]
            body, content_type = wire.encode(
                event_type, [values for _, values in batch], server_composition=composition
            )
            frame = wire.decode(body, content_type)
            ingest.receive(frame, received_at=max(at for at, _ in batch))
            number += len(batch)
    return number


def events(now: datetime, seed: int = 20) -> Iterator[tuple[datetime, str, str, datetime, dict[str, str]]]:
    """Return the events before `now` by quarter of the day, server composition, type, time; with values."""
    zone = app_settings.time_zone
    found = []
    for mail in _mails(now, random.Random(seed)):  # noqa: S311 - invented
        for step in mail.scenario:
            at = mail.at + timedelta(seconds=int(step.seconds))
            if at >= now:
                continue
            wall_clock = at.astimezone(zone).replace(tzinfo=None)
            event_type, values = scenarios.event(mail.message, step, wall_clock)
            quarter = at.replace(hour=at.hour // BATCH_HOURS * BATCH_HOURS, minute=0, second=0)
            found.append((quarter, mail.composition, event_type, at, values))
    # Deliveries come before bounces, as CMC posts them
    return iter(sorted(found, key=lambda each: (each[0], each[1], each[2] == "bounces", each[3])))


def _mails(now: datetime, dice: random.Random) -> Iterator[Sent]:
    number = 0
    for ago in range(DAYS, -1, -1):
        day = now.astimezone(app_settings.time_zone) - timedelta(days=ago)
        kinds = [PRO] * (WEEKEND if day.weekday() > 4 else WEEKDAY)
        kinds += [NEWS] * (NEWSLETTER if day.weekday() == 1 else 0)
        for kind in kinds:
            number += 1
            hour = 10 if kind == NEWS else dice.choice(range(7, 24))
            at = day.replace(
                hour=hour, minute=dice.randrange(60), second=dice.randrange(60), microsecond=0
            ).astimezone(UTC)
            yield _mail(now, at, kind, number, dice)


def _mail(now: datetime, at: datetime, composition: str, number: int, dice: random.Random) -> Sent:
    customer = dice.randrange(CUSTOMERS)
    (domain,) = random.Random(customer).choices(DOMAINS, WEIGHTS)  # noqa: S311 - invented
    message = scenarios.Message(
        message_id=f"<{number}.month@shop.example.jp>",
        recipient=f"customer{customer:03}@{domain}",
        header_from=f"{composition}@shop.example.jp",
        subject=dice.choice(SUBJECTS[composition]),
        api_data=f"CMC{number:05}" if composition == PRO else "newsletter",
    )
    is_refused = domain == CARRIER and now - at < timedelta(hours=REFUSED_HOURS) and dice.random() < 0.8
    return Sent(at, composition, message, scenarios.refused("4") if is_refused else _fate(customer, dice))


def _fate(customer: int, dice: random.Random) -> Scenario:
    """Return what becomes of a mail. Some customers have addresses that do not work, or asked for no mail."""
    if customer % 50 == 7:
        return scenarios.refused("2")
    if customer % 60 == 11:
        return scenarios.suppressed(dice.choice(("10", "11")))
    if customer % 90 == 13:
        return scenarios.given_up()
    if dice.random() < 0.06:
        return scenarios.deferred()
    if dice.random() < 0.01:
        return scenarios.bounced_later("5")
    return scenarios.delivered(dice.lognormvariate(1.2, 1))
