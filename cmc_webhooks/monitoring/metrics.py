"""Prometheus metrics in the default registry of its client. Needs `prometheus-client` (extra `metrics`).

Each process counts what its webhook did. Pending signals and the other gauges are read from the database at
each scrape. With PROMETHEUS_MULTIPROC_DIR the counts of all processes are added up:
https://prometheus.github.io/client_python/multiprocess/. No label value is chosen by a sender, so all values
are known and start at 0: Prometheus sees no increase in a series that appears with its first count.
"""

from __future__ import annotations

import logging
import os
from collections import Counter as Tally
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, ParamSpec

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from cmc_webhooks import ingest, logs
from cmc_webhooks.bounce_codes import BounceClass, bounce_class
from cmc_webhooks.db import transactions
from cmc_webhooks.event_types import EVENT_TYPES, name_of
from cmc_webhooks.models import BounceEvent, DeliveryEvent, RefusalCount, routing
from cmc_webhooks.monitoring import health, problems
from cmc_webhooks.status import DeliveryStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from prometheus_client.metrics_core import Metric

__all__ = ["CONTENT_TYPE", "count", "count_refusal", "exposition"]

logger = logging.getLogger(__name__)

Arguments = ParamSpec("Arguments")

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"  # the format of `generate_latest` in every version
OTHER = "other"
WORDS = {"deliveries": (*DeliveryStatus.values, OTHER), "bounces": BounceClass.values}
"""By event type, the values of `status` for new events. All other types have one value, `OTHER`."""
REFUSALS = (400, 401, 403, 405, 411, 413, 415, 503)
IS_SHARED = "PROMETHEUS_MULTIPROC_DIR" in os.environ
"""True if each count is written to a folder, where the files of all processes are read together."""
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_notifications = Counter("cmc_webhooks_notifications", "Notifications that were stored", ["event_type"])
_events = Counter("cmc_webhooks_events", "New events; of bounces the class", ["event_type", "status"])
_repeated = Counter("cmc_webhooks_repeated_events", "Events that were known already", ["event_type"])
_rejected = Counter("cmc_webhooks_rejected_events", "Events that could not be read", ["event_type"])
_refusals = Counter("cmc_webhooks_refusals", "Requests that were not answered 200, by status", ["code"])
_seconds = Histogram(
    "cmc_webhooks_ingest_seconds", "From a frame to its last receiver", ["event_type"], buckets=BUCKETS
)

_GAUGES = {
    "pending": ("cmc_webhooks_pending_signals", "Pending signals in up to 1,000 rows of the outbox"),
    "dead": ("cmc_webhooks_dead_signals", "Dead signals in up to 1,000 rows of the outbox"),
    "oldest_pending": ("cmc_webhooks_oldest_pending_seconds", "Age of the oldest pending signal"),
    "rejected": ("cmc_webhooks_open_rejected_events", "Rejected events that are not resolved"),
    "silence": ("cmc_webhooks_silence_seconds", "Since CMC posted last; absent before the first"),
    "future": ("cmc_webhooks_future_receipts", "Receipts in the future that nobody has accepted"),
}
_PROBLEM = ("cmc_webhooks_problem", "Whether cmc_status reports a problem of this kind")
_REFUSED = ("cmc_webhooks_refused_requests", "Requests refused in the past 24 hours, by reason")
_UP = ("cmc_webhooks_database_up", "Whether the database answered; if not, all that is read there is absent")


@cache
def _begin() -> None:
    """Create every series that may be counted, with the value 0.

    Raises:
        OSError: the folder of the counts is missing or full.
    """
    for event_type in (*EVENT_TYPES, OTHER):
        for metric in (_notifications, _repeated, _rejected, _seconds):
            metric.labels(event_type)
    for event_type in EVENT_TYPES:
        for word in WORDS.get(event_type, (OTHER,)):
            _events.labels(event_type, word)
    for code in REFUSALS:
        _refusals.labels(str(code))


# A shared folder is written from the first request on: otherwise every command would leave files in it.
if not IS_SHARED:
    _begin()


def _quietly(work: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Wrap `work` so that it never raises.

    A notification that was stored is reported as stored even if it cannot be counted.
    """

    @wraps(work)
    def quiet(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            work(*args, **kwargs)
        except Exception as error:  # the folder of the counts is missing or full
            logger.exception(
                "The metrics could not be counted",
                exc_info=logs.without_text(error),
                extra={"cmc_event": "metrics_failed"},
            )

    return quiet


@_quietly
def count(receipt: ingest.Receipt) -> None:
    """Count a notification that was stored."""
    _begin()
    event_type = receipt.event_type if receipt.event_type in EVENT_TYPES else OTHER
    _notifications.labels(event_type).inc()
    _seconds.labels(event_type).observe(receipt.seconds)
    for labels, number in Tally((name_of(type(event)), _status(event)) for event in receipt.events).items():
        _events.labels(*labels).inc(number)
    _repeated.labels(event_type).inc(receipt.repeated)
    _rejected.labels(event_type).inc(receipt.rejected)


@_quietly
def count_refusal(code: int) -> None:
    """Count a request that was answered with this HTTP status and not stored."""
    _begin()
    _refusals.labels(str(code)).inc()


def exposition() -> bytes:
    """Return all metrics of the project as text; those of all processes if they share a folder.

    Raises:
        OSError, ValueError: PROMETHEUS_MULTIPROC_DIR is not a folder.
    """
    _begin()
    if not IS_SHARED:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call,unused-ignore] # in some versions
    registry.register(_from_database)
    return generate_latest(registry)


class FromDatabase(Collector):
    """Collector of the gauges that are read from the database at each scrape, in five queries.

    If the database is unavailable, the only gauge is `cmc_webhooks_database_up` with the value 0.
    """

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges. Never raises, so that a failure here does not affect other metrics."""
        try:
            now: Any = health.look_apart(routing.write_alias())
        except transactions.Unavailable as error:
            now = None
            logger.warning(
                "The health could not be read: %s",
                error,
                extra={"cmc_event": "health_unread", "error": str(error)},
            )
        except Exception as error:
            now = None
            logger.exception(
                "The health could not be read",
                exc_info=logs.without_text(error),
                extra={"cmc_event": "health_unread", "error": type(error).__name__},
            )
        yield GaugeMetricFamily(*_UP, value=float(now is not None))
        for name, gauge in _GAUGES.items():
            value = getattr(now, name, None)
            if value is not None:
                yield GaugeMetricFamily(*gauge, value=value)
        if now is not None:
            yield _by_label(_PROBLEM, "code", problems.CODES, Tally({each.code for each in now.found()}))
            refused: Tally[str] = Tally()
            for each in now.refused:
                refused[each.reason] += each.number
            yield _by_label(_REFUSED, "reason", RefusalCount.Reasons.values, refused)

    def describe(self) -> list[Metric]:
        """Return the gauges without values, for registration. The database need not be read for that."""
        return [GaugeMetricFamily(*gauge) for gauge in (_UP, *_GAUGES.values(), _PROBLEM, _REFUSED)]


_from_database = FromDatabase()
REGISTRY.register(_from_database)


def _by_label(
    gauge: tuple[str, str], label: str, values: Iterable[str], numbers: Mapping[str, int]
) -> GaugeMetricFamily:
    """Return a gauge with a sample for each of these values of a label, also where its number is 0."""
    family = GaugeMetricFamily(*gauge, labels=[label])
    for value in values:
        family.add_metric([value], numbers.get(value, 0))
    return family


def _status(event: Any) -> str:
    """Return the value of `status` that an event is counted under: one of a few, whatever was sent."""
    if isinstance(event, DeliveryEvent):
        return event.status if event.status in DeliveryStatus.values else OTHER
    if isinstance(event, BounceEvent):
        return str(bounce_class(event.bounce_code))
    return OTHER
