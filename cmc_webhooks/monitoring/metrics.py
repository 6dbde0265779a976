"""Metrics for Prometheus, in its client's default registry. Needs `prometheus-client` (extra `metrics`).

What the webhook did is counted by each process, what is owed is read from the database at a scrape. With
PROMETHEUS_MULTIPROC_DIR the counts of all processes are added up:
https://prometheus.github.io/client_python/multiprocess/. No label is a word that a sender chooses, so all of
them are known and begin at 0: of what appears with its first count, Prometheus sees no increase.
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

from cmc_webhooks import durable, health, ingest, store
from cmc_webhooks.event_types import EVENT_TYPES
from cmc_webhooks.models import BounceEvent, DeliveryEvent
from cmc_webhooks.status import BounceClass, DeliveryStatus, bounce_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.metrics_core import Metric

__all__ = ["CONTENT_TYPE", "count", "count_refusal", "exposition"]

logger = logging.getLogger(__name__)

Arguments = ParamSpec("Arguments")

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"  # what `generate_latest` makes in any version
OTHER = "other"
WORDS = {"deliveries": (*DeliveryStatus.values, OTHER), "bounces": BounceClass.values}
"""By event type, what new events are counted under; of all other types it is one word."""
REFUSALS = (400, 401, 403, 405, 413, 415, 503)
IS_SHARED = "PROMETHEUS_MULTIPROC_DIR" in os.environ
"""Whether each count is written to a folder, whose files of all processes are read together."""
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
    "pending": ("cmc_webhooks_owed_signals", "Signals that are owed; at most 1,000 rows are looked at"),
    "dead": ("cmc_webhooks_dead_signals", "Signals that died; at most 1,000 rows are looked at"),
    "oldest_pending": ("cmc_webhooks_oldest_owed_seconds", "For how long the oldest signal is owed"),
    "rejected": ("cmc_webhooks_open_rejected_events", "Rejected events that nobody resolved"),
    "silence": ("cmc_webhooks_silence_seconds", "Since CMC posted last; absent before the first"),
}
_UP = ("cmc_webhooks_database_up", "Whether the database answered; if not, all that is read there is absent")


@cache
def _begin() -> None:
    """Show all that may be counted, as 0.

    Raises:
        OSError: the folder of the counts is gone, or full.
    """
    for event_type in (*EVENT_TYPES, OTHER):
        for metric in (_notifications, _repeated, _rejected, _seconds):
            metric.labels(event_type)
    for event_type in EVENT_TYPES:
        for word in WORDS.get(event_type, (OTHER,)):
            _events.labels(event_type, word)
    for code in REFUSALS:
        _refusals.labels(str(code))


if not IS_SHARED:  # else with the first request, or each command that is run would leave files in the folder
    _begin()


def _quietly(work: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """`work` that raises nothing: what is told to be stored is stored, whether it can be counted or not."""

    @wraps(work)
    def quiet(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            work(*args, **kwargs)
        except Exception:  # the folder of the counts is gone, or full
            logger.exception("The metrics could not be counted", extra={"cmc_event": "metrics_failed"})

    return quiet


@_quietly
def count(receipt: ingest.Receipt) -> None:
    """Count a notification that was stored."""
    _begin()
    event_type = receipt.event_type if receipt.event_type in EVENT_TYPES else OTHER
    _notifications.labels(event_type).inc()
    _seconds.labels(event_type).observe(receipt.seconds)
    for status, number in Tally(map(_status, receipt.events)).items():
        _events.labels(event_type, status).inc(number)
    _repeated.labels(event_type).inc(receipt.repeated)
    _rejected.labels(event_type).inc(receipt.rejected)


@_quietly
def count_refusal(code: int) -> None:
    """Count a request that was answered with this HTTP status, and not stored."""
    _begin()
    _refusals.labels(str(code)).inc()


def exposition() -> bytes:
    """All metrics of the project as text, of all processes where they share a folder.

    Raises:
        OSError, ValueError: PROMETHEUS_MULTIPROC_DIR is no folder.
    """
    _begin()
    if not IS_SHARED:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call,unused-ignore] # in some versions
    registry.register(_from_database)
    return generate_latest(registry)


class FromDatabase(Collector):
    """What is read at each scrape, with four statements; nothing but a zero if the database is away."""

    def collect(self) -> Iterator[Metric]:
        """The gauges; never raises, so that it takes no other metric along."""
        try:
            now: Any = health.look_apart(store.alias())
        except durable.Unavailable as error:
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
                extra={"cmc_event": "health_unread", "error": type(error).__name__},
            )
        yield GaugeMetricFamily(*_UP, value=float(now is not None))
        for name, gauge in _GAUGES.items():
            value = getattr(now, name, None)
            if value is not None:
                yield GaugeMetricFamily(*gauge, value=value)

    def describe(self) -> list[Metric]:
        """The names, asked for at registration: no reason to read the database."""
        return [GaugeMetricFamily(*gauge) for gauge in (_UP, *_GAUGES.values())]


_from_database = FromDatabase()
REGISTRY.register(_from_database)


def _status(event: Any) -> str:
    """The word that an event is counted under: one of a few, whatever was sent."""
    if isinstance(event, DeliveryEvent):
        return event.status if event.status in DeliveryStatus.values else OTHER
    if isinstance(event, BounceEvent):
        return str(bounce_class(event.bounce_code))
    return OTHER
