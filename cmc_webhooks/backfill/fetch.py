"""Fetch what CMC's REST API knows of some days, and store what no notification told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Count

from cmc_webhooks import durable, ingest, missing, rows, wire
from cmc_webhooks.conf import app_settings
from cmc_webhooks.event_types import RECORD_TYPES
from cmc_webhooks.models import DeliveryEvent, Notification
from cmc_webhooks.querysets import NAME_LENGTH, exactly, grouped, one_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from cmc_webhooks.rest import Client

__all__ = ["KEPT_DAYS", "KINDS", "MAX_DAYS", "Day", "Difference", "Fetched", "backfill", "days_between"]

KINDS = tuple(missing.WORDS)
"""The lists that are fetched."""
KEPT_DAYS = 40
"""How long CMC keeps its logs. Source: https://smtps.jp/docs-en/userguide/report/log/index.html"""
MAX_DAYS = 366
FIRST_DAY = date(1970, 1, 2)
BATCH = 100
NOTHING: Mapping[str, int] = {"queued": 0, "succeeded": 0, "failed": 0}
"""What CMC counts on a day that its statistics do not name."""


class Fetched(NamedTuple):
    """What became of the rows of a list: `known` ones were there before, by whatever way they came."""

    rows: int = 0
    new: int = 0
    known: int = 0
    rejected: int = 0


class Difference(NamedTuple):
    """Mails that took a status on a day: as CMC counts them, and as they are stored here."""

    status: str
    there: int
    here: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day of one composition that is done."""

    day: date
    composition: str
    fetched: Mapping[str, Fetched]
    differences: Sequence[Difference] = ()


def days_between(first: date | None, last: date | None, today: date) -> list[date]:
    """The days from `first` to `last`, both among them: one day without `last`, yesterday without both.

    Raises:
        ValueError: they are in the future or reversed, before 1970, or more than 366.
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
    """Fetch these days of the API user's zone, each told when it is done; new rows get their signals.

    With `dry_run` nothing is stored. Unless told not to, each day's deliveries are compared with CMC's own
    statistics. `progress` is told the number of rows of each batch. May be stopped between any two rows and
    begun again: what is stored is known the second time.

    Raises:
        rest.Failed: CMC's API cannot be asked; the batches before are stored.
        durable.Unavailable: the database did not take a batch; those before are stored.
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
                told = totals[month].get(day, NOTHING)
                differences = durable.run(using, partial(_differences, using, composition, day, told))
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
    """Store those items that are not known, as if they were told by a notification."""
    sent, otherwise = (_read(kind, composition, items, fold) for fold in (0, 1))
    # the connection has been idle for as long as CMC took: it may be lost, which `run` sees to
    absent = durable.run(using, partial(missing.of, using, sent))
    if otherwise != sent:  # an hour came twice: what is known in either reading of it is known
        in_both = durable.run(using, partial(missing.of, using, otherwise))
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
    """The notification that would have told these items; `fold` says which of two equal hours they mean."""
    there, here = app_settings.rest_time_zone, app_settings.time_zone
    event = {kind: [_with_time_in(here, item, there, fold) for item in items]}
    frame = wire.Frame(event_type=kind, server_composition=composition, event=event)
    return wire.read(frame, RECORD_TYPES, len(items))


def _with_time_in(here: ZoneInfo, item: Any, there: ZoneInfo, fold: int) -> Any:
    """A row of the API as the webhook would tell it: its time moved from one zone's clock to the other's."""
    text = item.get("created") if type(item) is dict else None
    created = wire.moment(text) if isinstance(text, str) and here.key != there.key else None
    if created is None or created.tzinfo:
        return item
    moved = created.replace(tzinfo=there, fold=fold).astimezone(here).replace(tzinfo=None)
    return {**item, "created": moved.isoformat(" ")}


def _differences(using: str, composition: str, day: date, told: Mapping[str, int]) -> list[Difference]:
    """Where CMC's counts of a day and the stored deliveries differ; two statements."""
    zone = app_settings.rest_time_zone
    start, end = (datetime.combine(each, time.min, zone) for each in (day, day + timedelta(days=1)))
    events = DeliveryEvent.objects.using(using).occurred_between(rows.stored(start), rows.stored(end))
    events = events.filter(one_of(using, "status", told))
    events = exactly(events, "mail__server_composition", composition[:NAME_LENGTH])
    counted = grouped(events, "status").annotate(mails=Count("mail", distinct=True))
    here = dict(counted.values_list("status", "mails"))
    return [
        Difference(status, number, here.get(status, 0))
        for status, number in told.items()
        if number != here.get(status, 0)
    ]
