"""The check for alerts: compare, raise, resolve, then send unsent messages. One process at a time."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils import timezone, translation

from cmc_webhooks import logs, timezones, wire
from cmc_webhooks.alerts import problems, rates, reading, sending
from cmc_webhooks.alerts.rates import Finding, Series
from cmc_webhooks.db import transactions
from cmc_webhooks.models import Alert, AlertMessage, routing
from cmc_webhooks.store import alerts as store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date
    from uuid import UUID

    from cmc_webhooks.models import AlertLook

__all__ = ["Looked", "look", "look_if_due"]

logger = logging.getLogger(__name__)

EVERY = timedelta(minutes=5)
"""Time between two looks. Problems and unsent messages are looked at each time."""
RATES_EVERY = timedelta(minutes=55)
"""Time between two looks at the rates: about an hour, also if cron is a little early."""
LEASE = timedelta(minutes=10)
"""After this time, a process that claimed a look is considered dead."""
_ASK_SECONDS = 30.0

_asked_at = float("-inf")


@dataclass(slots=True)
class Looked:
    """What a look did: the alerts that it raised and resolved, and what was sent. Nothing in a dry run."""

    raised: list[Alert] = field(default_factory=list)
    resolved: list[Alert] = field(default_factory=list)
    sent: sending.Sent = field(default_factory=sending.Sent)

    def __str__(self) -> str:
        return f"{len(self.raised)} raised, {len(self.resolved)} resolved; {self.sent}"


def look_if_due(using: str | None = None) -> Looked | None:
    """Check for alerts if no process has for five minutes; return None otherwise.

    A process asks the database twice a minute at most. An error is logged: the caller has other work to do.

    Raises:
        transactions.Unavailable: the database is unavailable.
    """
    global _asked_at
    if time.monotonic() - _asked_at < _ASK_SECONDS:
        return None
    _asked_at = time.monotonic()
    try:
        return look(using)
    except transactions.Unavailable:
        raise
    except Exception as error:
        logger.exception(
            "The check for alerts failed",
            exc_info=logs.without_text(error),
            extra={"cmc_event": "alerts_failed"},
        )
        return None


def look(using: str | None = None, *, now: datetime | None = None, every: timedelta = EVERY) -> Looked | None:
    """Check for alerts, then send unsent messages.

    Return None if a process has checked within `every`, or is checking now. Rates are checked about once an
    hour. `now` is aware, the present by default.

    Raises:
        transactions.Unavailable: the database is unavailable. What was raised before stays.
    """
    using = using or routing.write_alias()
    now = now or datetime.now(UTC)
    stored, until = timezones.to_stored(now), timezones.to_stored(now + LEASE)
    claim = partial(store.claim_look, using, stored, until, timezones.to_stored(now - every))
    claimed = transactions.run(using, claim)
    if claimed is None:
        return None
    done: dict[str, Any] = {}
    try:
        looked = _Look(using, now).run(with_rates=_is_rates_due(claimed, now))
        done = {"looked_at": stored} | ({"rates_at": stored} if _is_rates_due(claimed, now) else {})
    finally:  # after an error the next process looks at once
        transactions.run(using, partial(store.finish_look, using, until, **done))
    looked.sent = sending.send_unsent(using, now=now)
    return looked


def expected(using: str, now: datetime | None = None) -> Looked:
    """Return the alerts that a look would raise and resolve now. Nothing is written or sent."""
    return _Look(using, now or datetime.now(UTC), is_dry=True).run(with_rates=True)


def _is_rates_due(claimed: AlertLook, now: datetime) -> bool:
    if claimed.rates_at is None:
        return True
    return not timedelta() <= now - timezones.to_aware(claimed.rates_at) < RATES_EVERY


class _Look:
    """One look at one moment."""

    def __init__(self, using: str, now: datetime, *, is_dry: bool = False) -> None:
        self.using, self.now, self.is_dry = using, now, is_dry
        self.looked = Looked()

    def run(self, *, with_rates: bool) -> Looked:
        recent = transactions.run(self.using, self._recent)
        opened = {alert.open_key: alert for alert in recent if alert.resolved_at is None}
        with translation.override(settings.LANGUAGE_CODE):
            found = {_key(each.kind): each for each in problems.current(self.using)}
        for key, problem in found.items():
            self._note(opened.get(key), lambda each=problem: _of_problem(each), {"text": problem.sentence})
        for alert in opened.values():
            if alert.kind != Alert.Kinds.RATE and alert.key not in found:
                self._resolve(alert)
        if with_rates:
            self._rates(recent, opened)
        return self.looked

    def _recent(self) -> list[Alert]:
        """Return the open alerts, and the resolved ones that exclude days of the history."""
        begin = timezones.to_stored(self.now - timedelta(days=rates.HISTORY_DAYS + 3))
        alerts = Alert._default_manager.using(self.using)
        young = alerts.filter(last_seen_at__gte=begin, resolved_at__isnull=False)
        return [*alerts.filter(open_key__isnull=False), *young]

    def _rates(self, recent: Iterable[Alert], opened: Mapping[UUID | None, Alert]) -> None:
        found = transactions.run(self.using, partial(self._findings, recent))
        reported = {each.series for each in found.reported}
        for series, finding in found.unusual.items():
            alert = opened.get(_rate_key(series))
            if alert is not None or series in reported:
                self._note(alert, partial(self._of_finding, finding), {"numbers": _numbers(finding)})
        seen = {_rate_key(series) for series in found.unusual}
        for alert in opened.values():
            is_rate = alert.kind == Alert.Kinds.RATE and alert.key not in seen
            if is_rate and rates.resolved(timezones.to_aware(alert.last_seen_at), self.now):
                self._resolve(alert)

    def _findings(self, recent: Iterable[Alert]) -> rates.Findings:
        window = reading.window(self.using, self.now)
        past = reading.past(self.using, self.now, rates.candidates(window), _excluded(recent, self.now))
        return rates.findings(window, past.history, past.days_with_mail)

    def _note(self, alert: Alert | None, made: Any, values: dict[str, Any]) -> None:
        """Raise an alert, or note that an open one is still seen."""
        now = timezones.to_stored(self.now)
        if alert is not None:
            if not self.is_dry:
                values = {**values, "last_seen_at": now}
                transactions.run(self.using, partial(store.see_again, self.using, alert, values))
            return
        alert = made()
        alert.id = wire.time_key(int(self.now.timestamp() * 1000))
        alert.open_key, alert.raised_at, alert.last_seen_at = alert.key, now, now
        messages = sending.messages(alert, AlertMessage.Events.RAISED, now)
        raised = self.is_dry or transactions.run(
            self.using, partial(store.raise_alert, self.using, alert, messages)
        )
        if raised:
            self.looked.raised.append(alert)
            if not self.is_dry:
                _log(alert, is_raised=True)

    def _of_finding(self, finding: Finding) -> Alert:
        series = finding.series
        read = partial(reading.answer, self.using, self.now, series)
        return Alert(
            key=_rate_key(series),
            kind=Alert.Kinds.RATE,
            **series._asdict(),
            numbers=_numbers(finding),
            answer=transactions.run(self.using, read),
        )

    def _resolve(self, alert: Alert) -> None:
        now = timezones.to_stored(self.now)
        messages = sending.messages(alert, AlertMessage.Events.RESOLVED, now)
        resolved = self.is_dry or transactions.run(
            self.using, partial(store.resolve, self.using, alert, now, messages)
        )
        if resolved:
            self.looked.resolved.append(alert)
            if not self.is_dry:
                _log(alert, is_raised=False)


def _log(alert: Alert, *, is_raised: bool) -> None:
    common = {
        "kind": str(alert.kind),
        "composition": alert.server_composition,
        "bounce_class": alert.bounce_class,
        "domain": alert.domain,
        "numbers": alert.numbers,
    }
    if is_raised:
        logger.warning("An alert was raised: %s", alert.kind, extra={"cmc_event": "alert_raised", **common})
    else:
        logger.info("An alert was resolved: %s", alert.kind, extra={"cmc_event": "alert_resolved", **common})


def _key(kind: str) -> UUID:
    return wire.count_key("alert", str(kind))


def _rate_key(series: Series) -> UUID:
    return wire.count_key("alert", Alert.Kinds.RATE.value, *series)


def _of_problem(problem: problems.Problem) -> Alert:
    return Alert(key=_key(problem.kind), kind=problem.kind, text=problem.sentence)


def _numbers(finding: Finding) -> dict[str, Any]:
    return {"mails": finding.mails, "refused": finding.refused, "usual": round(finding.usual, 6)}


def _excluded(recent: Iterable[Alert], now: datetime) -> dict[Series, set[date]]:
    """Return the days that are not usual for a series: from the first window of an alert to its end.

    For an acknowledged alert, the days end at the acknowledgement: the new rate is usual from then on.
    """
    found: dict[Series, set[date]] = {}
    for alert in recent:
        if alert.kind == Alert.Kinds.RATE:
            series = Series(alert.server_composition, alert.bounce_class, alert.domain)
            ends = [timezones.to_aware(end) for end in (alert.resolved_at, alert.acknowledged_at) if end]
            begin = timezones.to_aware(alert.raised_at) - rates.WINDOW
            found.setdefault(series, set()).update(_days(begin, min([now, *ends])))
    return found


def _days(begin: datetime, end: datetime) -> Iterator[date]:
    zone = timezone.get_default_timezone()
    day, last = begin.astimezone(zone).date(), end.astimezone(zone).date()
    day = max(day, last - timedelta(days=2 * rates.HISTORY_DAYS))
    while day <= last:
        yield day
        day += timedelta(days=1)
