"""The page: what is unusual first, then figures and pictures. Each number links to the list it counts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from cmc_webhooks import numerals
from cmc_webhooks.admin import filters, labels, markup
from cmc_webhooks.admin.overview import charts, figures, heat_map, periods, replies, unusual
from cmc_webhooks.admin.overview.figures import Row
from cmc_webhooks.admin.overview.links import Links
from cmc_webhooks.models import routing
from cmc_webhooks.statistics import histogram, hours, reports

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest

    from cmc_webhooks.admin.overview.periods import Slot

__all__ = ["view"]


class Slice(NamedTuple):
    """The mails of a slot by status, and those of the same slot of the period before."""

    slot: Slot
    now: Counter[str]
    before: Counter[str]
    url: str


def view(admin: ModelAdmin[Any], request: HttpRequest) -> TemplateResponse:
    """Return the page. It runs at most fourteen queries, besides those of Django's admin."""
    using = routing.write_alias()
    site = admin.admin_site
    request.current_app = site.name
    parameters = request.GET.dict()
    scope = periods.chosen_scope(parameters)
    context = {
        **site.each_context(request),
        "opts": admin.opts,
        "media": admin.media,
        "title": _("Delivery overview"),
        "scope": scope,
        "mistake": filters.REVERSED if scope.days.is_reversed else "",
        "zone": timezone.get_default_timezone_name(),
        "periods": periods.presets(parameters),
    }
    seen = unusual.look(using, site, request)
    context |= {
        "unusual": seen.lines,
        "verdict": seen.verdict,
        "wrong_zone": seen.wrong_zone,
        "intake": unusual.intake(seen.health, site, request),
    }
    if not scope.days.is_reversed:
        context |= _pictures(using, scope, Links(site, scope), seen.domains)
    return TemplateResponse(request, "admin/cmc_webhooks/overview.html", context)


def _pictures(using: str, scope: reports.Scope, links: Links, alerts: Mapping[str, str]) -> dict[str, Any]:
    """Return the figures of the selected days. `alerts` are the unusual domains, each with its reply."""
    found = reports.overview(using, scope, alerts)
    before = reports.by_day(using, scope._replace(days=periods.before(scope.days)))
    slots = periods.slots(scope.days)
    slices = _slices(using, scope, found.by_day, before, links)
    shown = heat_map.domains_of(found, list(alerts))
    said = {**alerts, **replies.commonest(using, scope, shown)}
    times = [_times(found, slot, links) for slot in slots]
    of_slots = [each.slot for each in slices]
    chosen = scope.server_composition
    return {
        "compositions": sorted({*found.compositions, *([chosen] if chosen else [])}),
        "before": periods.name_of_before(scope.days),
        "outcomes": figures.cards(found.by_day, before, links),
        "share_chart": charts.shares(of_slots, [_share(each) for each in slices]),
        "mail_chart": charts.stacked(of_slots, [_parts(each, links) for each in slices]),
        "legend": [figures.outcome(status) for status in figures.by_outcome({})],
        "days": [_row(each, links) for each in slices if each.now.total() or each.before.total()],
        "heat_map": heat_map.drawn(found, slots, list(alerts), said, links),
        "fewest_mails": figures.FEWEST_MAILS,
        "latency_chart": charts.latencies(slots, times),
        "latency_rows": [
            (slot.name, time.url, labels.duration(time.now), labels.duration(time.before))
            for slot, time in zip(slots, times, strict=True)
            if time.now is not None and time.before is not None
        ],
        "bounces": figures.bounces(found, links),
        "worst": figures.worst(found, links),
        "slowest": figures.slowest(found, links),
        "as_of": markup.moment(found.as_of),
    }


def _slices(
    using: str,
    scope: reports.Scope,
    by_day: Mapping[date, Counter[str]],
    before: Mapping[date, Counter[str]],
    links: Links,
) -> list[Slice]:
    """Return the mails of each slot. A single day has hours, if it has not too many mails to read them."""
    number = len(periods.days_of(scope.days))
    day = scope.days.last
    most = max((count.total() for days in (by_day, before) for count in days.values()), default=0)
    if number == 1 and day is not None and most <= hours.MOST_MAILS:
        return _hours(using, scope, day, links)
    slots = periods.slots(scope.days)
    counted = (periods.sums(by_day, slots), periods.sums(before, slots, days_ago=number))
    return [
        Slice(slot, now, then, links.to(slot.days)) for slot, now, then in zip(slots, *counted, strict=True)
    ]


def _hours(using: str, scope: reports.Scope, day: date, links: Links) -> list[Slice]:
    """Return the hours of a day beside those of the day before. The list of mails knows days, not hours."""
    (slots, edges), (earlier, edges_before) = (
        periods.hours(each) for each in (day, periods.before(scope.days).last or day)
    )
    found = hours.by_hour(using, [*edges_before, *edges[1:]], scope.server_composition)
    by_name = {slot.name[-5:]: count for slot, count in zip(earlier, found, strict=False)}
    now = found[len(earlier) :]
    return [
        Slice(slot, count, by_name.get(slot.name[-5:], Counter()), "")
        for slot, count in zip(slots, now, strict=True)
    ]


def _parts(each: Slice, links: Links) -> list[charts.Part]:
    return [
        charts.Part(
            number,
            markup.tone(status),
            f"{each.slot.name}: {numerals.grouped(number)} {figures.outcome(status)[1]}",
            links.to(each.slot.days, status=status) if each.url else "",
        )
        for status, number in figures.by_outcome(each.now).items()
    ]


def _share(each: Slice) -> charts.Bar:
    """Return the share of a slot that was not delivered, with the one of the period before."""
    now, before = (
        figures.refused(count) / count.total() if count.total() else None for count in (each.now, each.before)
    )
    values = {
        "days": each.slot.name,
        "refused": numerals.grouped(figures.refused(each.now)),
        "mails": numerals.grouped(each.now.total()),
        "share": numerals.percentage(figures.refused(each.now), each.now.total()) or "–",
        "before": numerals.percentage(figures.refused(each.before), each.before.total()) or "–",
    }
    title = (
        _("%(days)s: %(refused)s of %(mails)s mails not delivered: %(share)s; before: %(before)s") % values
    )
    return charts.Bar(now, before, title, each.url)


def _row(each: Slice, links: Links) -> Row:
    cells = [
        (number, links.to(each.slot.days, status=status) if each.url else "")
        for status, number in figures.by_outcome(each.now).items()
    ]
    shares = [
        (numerals.percentage(figures.refused(count), count.total()) or "–", "")
        for count in (each.now, each.before)
    ]
    return Row(each.slot.name, each.url, [*cells, *shares])


def _times(found: reports.Overview, slot: Slot, links: Links) -> charts.Bar:
    classes: list[int] = []
    for day in periods.days_of(slot.days):
        classes = histogram.add(classes, found.latencies.get(day, ()))
    median, slow = (histogram.quantile(classes, share) for share in (0.5, 0.95))
    values = {
        "days": slot.name,
        "median": labels.duration(median or 0),
        "slow": labels.duration(slow or 0),
    }
    title = _("%(days)s: half delivered within %(median)s, 95 %% within %(slow)s") % values
    return charts.Bar(median, slow, title, links.to(slot.days))
