"""The overview: how the mails of some days fared, each number a link to the list that it counts."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from django.db.models import Count
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from cmc_webhooks import figures, store, wire
from cmc_webhooks.admin import chart, filters, markup, words
from cmc_webhooks.models import Notification, PendingSignal, RejectedEvent
from cmc_webhooks.status import BOUNCED, BounceClass, DeliveryStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest
    from django.utils.safestring import SafeString
    from django_stubs_ext import StrOrPromise

DEFAULT_PERIOD = "30-days"
MOST_DAYS = 366
LINES = 10
OUTCOMES = (
    DeliveryStatus.SUCCEEDED.value,
    DeliveryStatus.QUEUED.value,
    DeliveryStatus.DEFERRED.value,
    DeliveryStatus.FAILED.value,
    BOUNCED,
)


class Figure(NamedTuple):
    """A number with its name, the list that it counts, and its share if it has one."""

    label: StrOrPromise
    number: int
    url: str
    tone: str = ""
    share: str = ""


class Row(NamedTuple):
    """A line of a table: what it is about, and its values, each with an address or none."""

    label: str
    url: str
    cells: list[tuple[Any, str]]


class Links:
    """Addresses of the list of mails, for the days and the composition that were chosen."""

    def __init__(self, admin: ModelAdmin[Any], chosen: figures.Range) -> None:
        self._list = reverse("admin:cmc_webhooks_mail_changelist", current_app=admin.admin_site.name)
        self._chosen = chosen

    def to(self, *, day: date | None = None, **parameters: str) -> str:
        """The list with these parameters, of one day or of all that were chosen."""
        first, last = (day, day) if day else (self._chosen.first, self._chosen.last)
        bounds = {"from": first.isoformat() if first else "", "to": last.isoformat() if last else ""}
        composition = self._chosen.server_composition
        of = {} if composition is None else {"server_composition": composition}
        return f"{self._list}?{urlencode(bounds | of | parameters)}"


def view(admin: ModelAdmin[Any], request: HttpRequest) -> TemplateResponse:
    """The page; at most seven statements of its own."""
    using = store.alias()
    chosen = chosen_range(request.GET.dict())
    found = figures.overview(using, chosen)
    links = Links(admin, chosen)
    days = _days(chosen, found)
    bars = [_bar(day, found.by_day.get(day, {}), links) for day in days]
    request.current_app = admin.admin_site.name
    context = {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "media": admin.media,
        "title": _("Overview"),
        "chosen": chosen,
        "zone": timezone.get_default_timezone_name(),
        "periods": _periods(request.GET.dict()),
        "compositions": sorted(
            {*found.compositions, *([chosen.server_composition] if chosen.server_composition else [])}
        ),
        "chart": chart.stacked(bars),
        "chart_size": (chart.WIDTH, chart.HEIGHT),
        "legend": [_outcome(status) for status in (*OUTCOMES, filters.OTHER)],
        "days": [
            Row(day.isoformat(), links.to(day=day), [(part.number, part.url) for part in bar])
            for day, bar in zip(days, bars, strict=True)
            if any(part.number for part in bar)
        ],
        "outcomes": _outcomes(found, links),
        "bounces": _bounces(found, links),
        "worst": _worst(found, links),
        "slowest": _slowest(found, links),
        "as_of": markup.moment(found.as_of),
        "intake": _intake(using, request),
    }
    return TemplateResponse(request, "admin/cmc_webhooks/overview.html", context)


def chosen_range(parameters: Mapping[str, str]) -> figures.Range:
    """The days that the address names, by default the past 30; at most a year of them."""
    if not any(parameters.get(name) for name in ("since", "from", "to")):
        parameters = {**parameters, "since": DEFAULT_PERIOD}
    days = filters.FirstReceivedFilter.days_meant(parameters)
    last = days.last or figures.today()
    earliest = last - timedelta(days=MOST_DAYS - 1)
    composition = parameters.get("server_composition") or None
    return figures.Range(
        max(days.first or earliest, earliest), last, None if composition is None else wire.clean(composition)
    )


def _days(chosen: figures.Range, found: figures.Overview) -> list[date]:
    assert chosen.first is not None  # noqa: S101 - chosen_range gives both
    assert chosen.last is not None  # noqa: S101 - the same
    return [chosen.first + timedelta(days=n) for n in range((chosen.last - chosen.first).days + 1)]


def _bar(day: date, by_status: Mapping[str, int], links: Links) -> list[chart.Part]:
    numbers = {status: by_status.get(status, 0) for status in OUTCOMES}
    numbers[filters.OTHER] = sum(by_status.values()) - sum(numbers.values())
    return [
        chart.Part(
            number,
            markup.tone(status),
            f"{day.isoformat()}: {number:,} {_outcome(status)[1]}",
            links.to(day=day, status=status),
        )
        for status, number in numbers.items()
    ]


def _outcome(status: str) -> tuple[str, str]:
    """The colours of a status and its word."""
    return markup.tone(status), _("other") if status == filters.OTHER else words.status_word(status)


def _outcomes(found: figures.Overview, links: Links) -> list[Figure]:
    total = sum(found.by_outcome.values())
    by_status: dict[str, int] = {}
    for (status, _kind), number in found.by_outcome.items():
        known = status if status in OUTCOMES else filters.OTHER
        by_status[known] = by_status.get(known, 0) + number
    told = [Figure(_("mails"), total, links.to())]
    for status in (*OUTCOMES, filters.OTHER):
        number = by_status.get(status, 0)
        if number or status in (DeliveryStatus.SUCCEEDED, BOUNCED):
            tone, label = _outcome(status)
            told.append(Figure(label, number, links.to(status=status), tone, share(number, total)))
    return told


def _bounces(found: figures.Overview, links: Links) -> list[Figure]:
    total = sum(found.by_outcome.values())
    told = []
    for kind in BounceClass:
        number = sum(n for (_status, each), n in found.by_outcome.items() if each == kind)
        if number:
            told.append(
                Figure(kind.label, number, links.to(bounce_class=kind.value), "bad", share(number, total))
            )
    return told


def _worst(found: figures.Overview, links: Links) -> list[Row]:
    worst = sorted(found.domains, key=lambda each: (-each.refused, each.domain))[:LINES]
    return [
        Row(
            each.domain,
            links.to(q=f"@{each.domain}"),
            [
                (each.mails, links.to(q=f"@{each.domain}")),
                (each.failed, links.to(q=f"@{each.domain}", status=DeliveryStatus.FAILED)),
                (each.bounced, links.to(q=f"@{each.domain}", status=BOUNCED)),
                (share(each.refused, each.mails), ""),
            ],
        )
        for each in worst
        if each.refused
    ]


def _slowest(found: figures.Overview, links: Links) -> list[Row]:
    timed = [each for each in found.domains if each.slow is not None]
    timed.sort(key=lambda each: (-(each.slow or 0), each.domain))
    return [
        Row(
            each.domain,
            links.to(q=f"@{each.domain}"),
            [
                (each.succeeded, links.to(q=f"@{each.domain}", status=DeliveryStatus.SUCCEEDED)),
                (words.duration(each.median or 0), ""),
                (words.duration(each.slow or 0), ""),
            ],
        )
        for each in timed[:LINES]
    ]


def _intake(using: str, request: HttpRequest) -> list[tuple[str, SafeString | str, str]]:
    """What came in last and what is owed, as far as this person may see it: name, value, address."""
    told: list[tuple[str, SafeString | str, str]] = []

    def may(model: str) -> bool:
        return request.user.has_perm(f"cmc_webhooks.view_{model}")

    if may("notification"):
        last = markup.moment(Notification.last_posted(using)) or "–"
        told.append((_("last notification"), last, _list("notification", source="webhook")))
    if may("pendingsignal"):
        states = PendingSignal._default_manager.using(using).order_by().values_list("state")
        rows = dict(states.annotate(Count("pk")))
        for state, label in (("pending", _("rows of owed signals")), ("dead", _("rows of dead signals"))):
            told.append((label, f"{rows.get(state, 0):,}", _list("pendingsignal", state=state)))
    if may("rejectedevent"):
        rejected = RejectedEvent._default_manager.using(using).filter(resolved_at=None).count()
        told.append((_("rejected events, open"), f"{rejected:,}", _list("rejectedevent", state="open")))
    return told


def _list(model: str, **parameters: str) -> str:
    query = f"?{urlencode(parameters)}" if parameters else ""
    return reverse(f"admin:cmc_webhooks_{model}_changelist") + query


def _periods(parameters: Mapping[str, str]) -> list[tuple[str, StrOrPromise, bool]]:
    """Presets: address, name, whether it is chosen."""
    composition = parameters.get("server_composition")
    of = {"server_composition": composition} if composition else {}
    is_range = bool(parameters.get("from") or parameters.get("to"))
    chosen = "" if is_range else parameters.get("since") or DEFAULT_PERIOD
    return [
        (f"?{urlencode({'since': name} | of)}", label, name == chosen)
        for name, (label, _ago) in filters.PeriodFilter.periods.items()
    ]


def share(number: int, total: int) -> str:
    """A share in per cent, as people read it."""
    return f"{100 * number / total:.1f} %" if total else ""
