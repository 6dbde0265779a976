"""Mail stories, and the events that CMC would send about them, in chronological order. Without I/O.

A scenario is the few steps of one message to one recipient. Events have CMC's field names of version
2. The simulator and tests send them in place of CMC. Deterministic for a given `random.Random`.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

__all__ = [
    "REASONS",
    "Message",
    "Scenario",
    "ScenarioStep",
    "SimulatedEvent",
    "bounced_later",
    "by_time",
    "deferred",
    "delivered",
    "event",
    "given_up",
    "refused",
    "suppressed",
]

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
MAX_WAITING = 20_000
REASONS: Mapping[str, str] = {
    "1": "host unknown",
    "2": "550 5.1.1 The email account that you tried to reach does not exist. (in reply to RCPT TO)",
    "3": "connect to mx.example.jp[203.0.113.25]:25: Connection timed out",
    "4": "554 5.7.1 Service unavailable; client host blocked by policy (in reply to MAIL FROM)",
    "5": "452 4.2.2 The email account that you tried to reach is over quota. (in reply to RCPT TO)",
    "6": "550 5.7.0 forwarding failed: unable to deliver to the forward address",
    "7": "451 4.3.5 Server configuration error (in reply to RCPT TO)",
    "8": "552 5.3.4 Message size exceeds fixed limit (in reply to end of DATA)",
    "9": "bad address syntax",
    "10": "Recipient address <{to}> is suppressed to send mail. (in reply to RCPT TO)",
    "11": "Recipient address <{to}> is unsubscribed. (in reply to RCPT TO)",
    "99": "550 5.0.0 Requested action not taken",
}
"""A reply of a server, or of CMC itself, for each of CMC's codes. `{to}` is the recipient."""
_DEFERRAL = "451 4.7.1 Greylisted, please try again later (in reply to RCPT TO)"


class ScenarioStep(NamedTuple):
    """One event of a scenario: seconds after the first event, type, status or bounce code, and reason."""

    seconds: float
    event_type: str
    status: str
    reason: str = ""


Scenario = tuple[ScenarioStep, ...]
QUEUED = ScenarioStep(0, "deliveries", "queued")


def delivered(seconds: float = 3) -> Scenario:
    """Return the scenario of a mail that CMC accepts and hands over `seconds` later."""
    return QUEUED, ScenarioStep(seconds, "deliveries", "succeeded")


def deferred(pauses: Sequence[float] = (1, 5 * _MINUTE), seconds: float = 15 * _MINUTE) -> Scenario:
    """Return the scenario of a mail that is deferred, then handed over after `seconds`.

    `pauses` are the seconds from the first event to each deferral.
    """
    return QUEUED, *_deferrals(pauses), ScenarioStep(seconds, "deliveries", "succeeded")


def given_up(pauses: Sequence[float] = (1, _HOUR), seconds: float = 2 * _DAY) -> Scenario:
    """Return the scenario of a mail that is deferred until the resend period ends: CMC's code 3."""
    return QUEUED, *_deferrals(pauses), *_failure(seconds, "3", 1)


def refused(code: str = "2", seconds: float = 1) -> Scenario:
    """Return the scenario of a mail that the destination refuses.

    CMC reports it as a delivery and, a second later, as a bounce.
    """
    return QUEUED, *_failure(seconds, code, 1)


def suppressed(code: str = "10") -> Scenario:
    """Return the scenario of a mail that CMC's own list blocks. All its events are in one second."""
    return QUEUED, *_failure(0, code, 0)


def bounced_later(code: str = "2", seconds: float = _DAY) -> Scenario:
    """Return the scenario of a mail that is handed over, but returned `seconds` after its first event."""
    return *delivered(), ScenarioStep(seconds, "bounces", code, REASONS[code])


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The values that all events of one scenario share."""

    message_id: str = "<mail@example.com>"
    recipient: str = "user@example.jp"
    header_from: str = "info@example.com"
    return_path: str = "info@return.pro.smtps.jp"
    subject: str = "メールマガジンのテスト"
    api_data: str = ""


class SimulatedEvent(NamedTuple):
    """An event as CMC sends it: its type and its values."""

    event_type: str
    values: dict[str, str]


def event(message: Message, step: ScenarioStep, at: datetime) -> SimulatedEvent:
    """Return the event of a step at `at`, by CMC's wall clock."""
    values = {
        "reason": step.reason.replace("{to}", message.recipient),
        "returnPath": message.return_path,
        "created": at.isoformat(" ", "seconds"),
        "subject": message.subject,
        "apiData": message.api_data,
        "messageId": message.message_id,
        "from": message.header_from,
        "to": message.recipient,
        "status": step.status,
    }
    if step.event_type == "deliveries":
        values["sourceIp"] = "192.0.2.10" if step.status == "queued" else ""
        nobody_asked = step.status == "queued" or step.reason in (REASONS["10"], REASONS["11"])
        values["senderIp"] = "" if nobody_asked else "198.51.100.7"
    return SimulatedEvent(step.event_type, values)


def by_time(
    dice: random.Random, start: datetime, events: int, seconds_between: float = 20
) -> Iterator[SimulatedEvent]:
    """Yield `events` events, of as many mails as needed, in the order of CMC's clock.

    `start` is CMC's wall clock at the first event. A message is sent every `seconds_between` on average. The
    last scenario may be cut short. At most 20,000 events wait for their time. Beyond that, the next is early.
    """
    start = start.replace(microsecond=0)
    waiting: list[tuple[float, int, Message, ScenarioStep]] = []
    order = count()
    left, now = events, 0.0
    while left > 0:
        for message, scenario in _message(dice):
            for step in scenario[:left]:
                heapq.heappush(waiting, (now + step.seconds, next(order), message, step))
            left -= len(scenario[:left])
        now += dice.expovariate(1 / seconds_between)
        while waiting and (waiting[0][0] <= now or len(waiting) > MAX_WAITING or left <= 0):
            seconds, _, message, step = heapq.heappop(waiting)
            yield event(message, step, start + timedelta(seconds=int(seconds)))


_SUBJECTS = (
    "ご注文ありがとうございます",
    "発送のお知らせ",
    "ご予約の確認",
    "会員様限定セール",
    "Your receipt",
)
_DOMAINS = ("example.jp", "mail.example.jp", "example.com", "example.net", "office.example.co.jp")
_DOMAIN_WEIGHTS = (40, 25, 20, 10, 5)
_CODES = ("1", "2", "4", "5", "7", "8", "9", "99")
_CODE_WEIGHTS = (10, 45, 12, 18, 6, 3, 3, 3)
_LATE_CODES = ("2", "5", "6")
_RECIPIENTS = (1, 2, 3, 5)
_RECIPIENT_WEIGHTS = (88, 8, 3, 1)


def _message(dice: random.Random) -> Iterator[tuple[Message, Scenario]]:
    """Yield the message and the scenario of one message for each of its recipients."""
    number = dice.getrandbits(64)
    (many,) = dice.choices(_RECIPIENTS, _RECIPIENT_WEIGHTS)
    subject = dice.choice(_SUBJECTS)
    api_data = f"CMC{number % 100_000:05}" if dice.random() < 1 / 3 else ""
    for user in dice.sample(range(100_000), many):
        (domain,) = dice.choices(_DOMAINS, _DOMAIN_WEIGHTS)
        message = Message(
            message_id=f"<{number:016x}@example.com>",
            recipient=f"user{user:05}@{domain}",
            subject=subject,
            api_data=api_data,
        )
        yield message, _scenario(dice)


def _scenario(dice: random.Random) -> Scenario:
    fate = dice.random()
    if fate < 0.86:
        return delivered(dice.lognormvariate(1.2, 1))
    if fate < 0.91:
        pauses = [1 + 5 * _MINUTE * again for again in range(dice.randint(1, 3))]
        return deferred(pauses, pauses[-1] + 5 * _MINUTE)
    if fate < 0.96:
        (code,) = dice.choices(_CODES, _CODE_WEIGHTS)
        return refused(code, dice.lognormvariate(1, 1))
    if fate < 0.98:
        return bounced_later(dice.choice(_LATE_CODES), dice.uniform(0.5 * _DAY, 1.5 * _DAY))
    return suppressed() if fate < 0.995 else given_up()


def _deferrals(pauses: Sequence[float]) -> Scenario:
    return tuple(ScenarioStep(seconds, "deliveries", "deferred", _DEFERRAL) for seconds in pauses)


def _failure(seconds: float, code: str, bounced_after: float) -> Scenario:
    reason = REASONS[code]
    return (
        ScenarioStep(seconds, "deliveries", "failed", reason),
        ScenarioStep(seconds + bounced_after, "bounces", code, reason),
    )
