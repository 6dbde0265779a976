"""Fetch the events of some days from CMC's REST API, and store those that no notification reported."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Count

from cmc_webhooks import ingest, timezones, wire
from cmc_webhooks.backfill import matching
from cmc_webhooks.conf import app_settings
from cmc_webhooks.db import transactions
from cmc_webhooks.db.text import exactly, grouped, one_of
from cmc_webhooks.event_types import RECORD_TYPES
from cmc_webhooks.models import DeliveryEvent, Notification
from cmc_webhooks.models.querysets import NAME_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from cmc_webhooks.rest import Client

__all__ = ["KEPT_DAYS", "KINDS", "MAX_DAYS", "Day", "Difference", "Fetched", "backfill", "days_between"]

KINDS = tuple(matching.WORDS)
"""The lists that can be fetched."""
KEPT_DAYS = 40
"""Number of days that CMC keeps its logs. Source: https://smtps.jp/docs-en/userguide/report/log/index.html"""
MAX_DAYS = 366
FIRST_DAY = date(1970, 1, 2)
BATCH = 100
NOTHING: Mapping[str, int] = {"queued": 0, "succeeded": 0, "failed": 0}
"""CMC's counts for a day that its statistics do not list."""


class Fetched(NamedTuple):
    """Numbers of rows of a list, by outcome.

    `known` rows were stored before, from any source, or are older than the retention of events.
    """

    rows: int = 0
    new: int = 0
    known: int = 0
    rejected: int = 0


class Difference(NamedTuple):
    """Number of mails that took a status on a day: as counted by CMC (`there`) and as stored (`here`)."""

    status: str
    there: int
    here: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The result of a completed day of one composition."""

    day: date
    composition: str
    fetched: Mapping[str, Fetched]
    differences: Sequence[Difference] = ()


def days_between(first: date | None, last: date | None, today: date) -> list[date]:
    """Return the days from `first` to `last`, inclusive: one day without `last`, yesterday without both.

    Raises:
        ValueError: the days are in the future, reversed, before 1970-01-02, or more than 366.
    """
    first = first or today - timedelta(days=1)
    last = last or first
    if max(first, last) > today:
        raise ValueError(f"{max(first, last)} is in the future: today is {today} in the API user's zone")
    if last < first:
        raise ValueError(f"{last} is before {first}")
    if first < FIRST_DAY:
        raise ValueError(f"{first} is before {FIRST_DAY}")
    number = (last - first).days + 1
    if number > MAX_DAYS:
        raise ValueError(f"{number} days are more than {MAX_DAYS}")
    return [first + timedelta(days=each) for each in range(number)]


def backfill(
    using: str,
    client: Client,
    days: Sequence[date],
    compositions: Sequence[str],
    kinds: Collection[str] = KINDS,
    *,
    dry_run: bool = False,
    compare: bool = True,
    progress: Callable[[int], Any] = lambda done: None,
) -> Iterator[Day]:
    """Fetch these days of the API user's zone, and yield each day of each composition when it is complete.

    Signals are sent for new rows. With `dry_run` nothing is stored. With `compare` each day's deliveries, if
    fetched, are compared with CMC's own statistics. `progress` is called with the number of rows of each
    batch. The work may be stopped between any two rows and restarted: rows already stored are then known.

    Raises:
        backfill.client.Failed: a request to CMC's API failed; earlier batches are stored.
        transactions.Unavailable: the database is unavailable; earlier batches are stored.
    """
    totals: dict[tuple[str, int, int], Mapping[date, Mapping[str, int]]] = {}
    for day in days:
        for composition in compositions:
            fetched = {
                kind: _fetch(using, client, kind, composition, day, dry_run=dry_run, progress=progress)
                for kind in kinds
            }
            differences: list[Difference] = []
            if compare and "deliveries" in kinds:
                month = (composition, day.year, day.month)
                if month not in totals:
                    totals[month] = client.totals(composition, day)
                reported = totals[month].get(day, NOTHING)
                differences = transactions.run(
                    using, partial(_differences, using, composition, day, reported)
                )
            yield Day(day=day, composition=composition, fetched=fetched, differences=differences)


def _fetch(
    using: str,
    client: Client,
    kind: str,
    composition: str,
    day: date,
    *,
    dry_run: bool,
    progress: Callable[[int], Any],
) -> Fetched:
    sums = Fetched()
    for page in client.pages(kind, composition, day):
        for start in range(0, len(page), BATCH):
            items = page[start : start + BATCH]
            taken = _take(using, kind, composition, items, dry_run=dry_run)
            sums = Fetched(*map(sum, zip(sums, taken, strict=True)))
            progress(len(items))
    return sums


def _take(using: str, kind: str, composition: str, items: list[Any], *, dry_run: bool) -> Fetched:
    """Store the items that are not known yet, as if a notification had reported them; return the numbers."""
    sent, otherwise = (_read(kind, composition, items, fold) for fold in (0, 1))
    # the connection was idle while CMC answered and may be lost: `run` retries with a new one
    absent = transactions.run(using, partial(matching.of, using, sent))
    if otherwise != sent:  # an hour occurs twice: an item that is known in either reading is known
        in_both = transactions.run(using, partial(matching.of, using, otherwise))
        places = {record.position for record in in_both.records}
        places |= {each.position for each in in_both.rejections}
        absent = replace(
            absent,
            records=tuple(record for record in absent.records if record.position in places),
            rejections=tuple(each for each in absent.rejections if each.position in places),
        )
    new, rejected = len(absent.records), len(absent.rejections)
    if (new or rejected) and not dry_run:
        receipt = ingest.take(absent, source=Notification.Sources.REST.value)
        new, rejected = receipt.new, receipt.rejected
    return Fetched(len(items), new, len(items) - new - rejected, rejected)


def _read(kind: str, composition: str, items: list[Any], fold: int) -> wire.Notification:
    """Return the notification that would have reported these items; `fold` selects one of two equal hours."""
    there, here = app_settings.rest_time_zone, app_settings.time_zone
    event = {kind: [_with_time_in(here, item, there, fold) for item in items]}
    frame = wire.Frame(event_type=kind, server_composition=composition, event=event)
    return wire.read(frame, RECORD_TYPES, len(items))


def _with_time_in(here: ZoneInfo, item: Any, there: ZoneInfo, fold: int) -> Any:
    """Return an API row as the webhook would send it, its time converted from the zone `there` to `here`."""
    text = item.get("created") if type(item) is dict else None
    created = wire.moment(text) if isinstance(text, str) and here.key != there.key else None
    if created is None or created.tzinfo:
        return item
    moved = created.replace(tzinfo=there, fold=fold).astimezone(here).replace(tzinfo=None)
    return {**item, "created": moved.isoformat(" ")}


def _differences(using: str, composition: str, day: date, reported: Mapping[str, int]) -> list[Difference]:
    """Return where CMC's counts of a day and the stored deliveries differ, in two queries."""
    zone = app_settings.rest_time_zone
    start, end = (datetime.combine(each, time.min, zone) for each in (day, day + timedelta(days=1)))
    events = DeliveryEvent.objects.using(using).occurred_between(
        timezones.to_stored(start), timezones.to_stored(end)
    )
    events = events.filter(one_of(using, "status", reported))
    events = exactly(events, "mail__server_composition", composition[:NAME_LENGTH])
    counted = grouped(events, "status").annotate(mails=Count("mail", distinct=True))
    here = dict(counted.values_list("status", "mails"))
    return [
        Difference(status, number, here.get(status, 0))
        for status, number in reported.items()
        if number != here.get(status, 0)
    ]
