"""Delivery overview: outcomes of the mails of some days. Each number links to the list that it counts."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from cmc_webhooks import auth, timezones, wire
from cmc_webhooks.admin import chart, filters, labels, markup
from cmc_webhooks.bounce_codes import BounceClass
from cmc_webhooks.models import Alert, Notification, PendingSignal, RejectedEvent, routing
from cmc_webhooks.models.refusals import label
from cmc_webhooks.monitoring import health
from cmc_webhooks.statistics import reports
from cmc_webhooks.status import BOUNCED, DeliveryStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from django.contrib.admin import AdminSite, ModelAdmin
    from django.db.models import Model
    from django.http import HttpRequest
    from django_stubs_ext import StrOrPromise

    from cmc_webhooks.monitoring import problems

DEFAULT_PERIOD = "30-days"
MOST_DAYS = 366
LINES = 10
SEEN_IN_HEALTH = ("notification", "pendingsignal", "rejectedevent")
"""Models whose numbers are shown beside the figures, to those who may view them."""
OUTCOMES = (
    DeliveryStatus.SUCCEEDED.value,
    DeliveryStatus.QUEUED.value,
    DeliveryStatus.DEFERRED.value,
    DeliveryStatus.FAILED.value,
    BOUNCED,
)


class Figure(NamedTuple):
    """A number with its name, the URL of the list that it counts, and its share if it has one."""

    label: StrOrPromise
    number: int
    url: str
    tone: str = ""
    share: str = ""


class Row(NamedTuple):
    """A row of a table: its label and URL, and its values, each with a URL that may be empty."""

    label: str
    url: str
    cells: list[tuple[Any, str]]


class Links:
    """URLs of the list of mails, for the selected days and server composition."""

    def __init__(self, admin: ModelAdmin[Any], scope: reports.Scope) -> None:
        self._list = reverse("admin:cmc_webhooks_mail_changelist", current_app=admin.admin_site.name)
        self._scope = scope

    def to(self, *, day: date | None = None, **parameters: str) -> str:
        """Return the URL of the list with these parameters, for one day or for all selected days."""
        first, last = (day, day) if day else (self._scope.days.first, self._scope.days.last)
        bounds = {"from": first.isoformat() if first else "", "to": last.isoformat() if last else ""}
        composition = self._scope.server_composition
        of = {} if composition is None else {"server_composition": composition}
        return f"{self._list}?{urlencode(bounds | of | parameters)}"


def view(admin: ModelAdmin[Any], request: HttpRequest) -> TemplateResponse:
    """Return the page. It runs at most nine queries, besides those of Django's admin."""
    using = routing.write_alias()
    scope = chosen_scope(request.GET.dict())
    found = reports.overview(using, scope)
    links = Links(admin, scope)
    days = _days(scope.days)
    bars = [_bar(day, found.by_day.get(day, {}), links) for day in days]
    request.current_app = admin.admin_site.name
    seen = _seen(request)
    now = health.look(using) if seen else None
    found_wrong = now.found() if now and "notification" in seen else []
    context = {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "media": admin.media,
        "title": _("Delivery overview"),
        "scope": scope,
        "mistake": filters.REVERSED if scope.days.is_reversed else "",
        "zone": timezone.get_default_timezone_name(),
        "periods": _periods(request.GET.dict()),
        "compositions": sorted(
            {*found.compositions, *([scope.server_composition] if scope.server_composition else [])}
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
        "intake": _intake(using, now, admin.admin_site, request),
        "verdict": now.verdict() if now and "notification" in seen else "",
        "unusual": [
            *_alerts(using, admin.admin_site, request),
            *_problems(found_wrong, admin.admin_site, seen),
        ],
        "wrong_zone": "".join(problem.text for problem in found_wrong if problem.code == "wrong_zone"),
    }
    return TemplateResponse(request, "admin/cmc_webhooks/overview.html", context)


def chosen_scope(parameters: Mapping[str, str]) -> reports.Scope:
    """Return the days that the URL names, by default the past 30, at most a year (366 days)."""
    if not any(parameters.get(name) for name in ("since", "from", "to")):
        parameters = {**parameters, "since": DEFAULT_PERIOD}
    days = filters.FirstReceivedFilter.days_meant(parameters)
    last = days.last or timezones.today()
    earliest = last - timedelta(days=MOST_DAYS - 1)
    composition = parameters.get("server_composition") or None
    return reports.Scope(
        timezones.DateRange(max(days.first or earliest, earliest), last),
        None if composition is None else wire.clean(composition),
    )


def _days(chosen: timezones.DateRange) -> list[date]:
    assert chosen.first is not None  # noqa: S101 - chosen_scope sets both
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
    """Return the name of a status's colours, and its word."""
    return markup.tone(status), labels.outcome_word(status)


def _outcomes(found: reports.Overview, links: Links) -> list[Figure]:
    total = sum(found.by_outcome.values())
    by_status: dict[str, int] = {}
    for (status, _kind), number in found.by_outcome.items():
        known = status if status in OUTCOMES else filters.OTHER
        by_status[known] = by_status.get(known, 0) + number
    rows = [Figure(_("mails"), total, links.to())]
    for status in (*OUTCOMES, filters.OTHER):
        number = by_status.get(status, 0)
        if number or status in (DeliveryStatus.SUCCEEDED, BOUNCED):
            tone, label = _outcome(status)
            rows.append(Figure(label, number, links.to(status=status), tone, share(number, total)))
    return rows


def _bounces(found: reports.Overview, links: Links) -> list[Figure]:
    total = sum(found.by_outcome.values())
    rows = []
    for kind in BounceClass:
        number = sum(n for (_status, each), n in found.by_outcome.items() if each == kind)
        if number:
            rows.append(
                Figure(kind.label, number, links.to(bounce_class=kind.value), "bad", share(number, total))
            )
    return rows


def _worst(found: reports.Overview, links: Links) -> list[Row]:
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


def _slowest(found: reports.Overview, links: Links) -> list[Row]:
    timed = [each for each in found.domains if each.slow is not None]
    timed.sort(key=lambda each: (-(each.slow or 0), each.domain))
    return [
        Row(
            each.domain,
            links.to(q=f"@{each.domain}"),
            [
                (each.succeeded, links.to(q=f"@{each.domain}", status=DeliveryStatus.SUCCEEDED)),
                (labels.duration(each.median or 0), ""),
                (labels.duration(each.slow or 0), ""),
            ],
        )
        for each in timed[:LINES]
    ]


def _alerts(using: str, site: AdminSite, request: HttpRequest) -> Iterator[tuple[str, str]]:
    """Yield the sentence of each open alert about refused mails, with its URL; the latest first.

    The other kinds of alerts are problems of the health.
    """
    if not auth.may(request.user, "cmc_webhooks.view_alert"):
        return
    opened = Alert._default_manager.using(using).filter(open_key__isnull=False, kind=Alert.Kinds.RATE)
    for alert in opened.order_by("-raised_at", "-id")[:LINES]:
        yield alert.sentence, _page(site, alert)


def _problems(
    found: Sequence[problems.Problem], site: AdminSite, seen: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield the text of each problem, with the URL of the list in which it is resolved."""
    lists: Mapping[str, tuple[type[Model], str]] = {
        "dead_signals": (PendingSignal, "dead"),
        "late_signals": (PendingSignal, "pending"),
        "rejected_events": (RejectedEvent, "open"),
    }
    for problem in found:
        model, state = lists.get(problem.code, (None, ""))
        may_open = model is not None and model._meta.model_name in seen
        yield problem.text, _list(site, model, state=state) if model is not None and may_open else ""


def _seen(request: HttpRequest) -> list[str]:
    """Return those of `SEEN_IN_HEALTH` that this user may view."""
    return [name for name in SEEN_IN_HEALTH if auth.may(request.user, f"cmc_webhooks.view_{name}")]


def _intake(
    using: str, now: health.Health | None, site: AdminSite, request: HttpRequest
) -> list[tuple[StrOrPromise, StrOrPromise, str]]:
    """Return the last notification and the counts that this user may view, as (name, value, URL)."""
    seen = _seen(request)
    return list(_numbers(now or health.look(using), site, seen)) if seen else []


def _numbers(
    now: health.Health, site: AdminSite, seen: Sequence[str]
) -> Iterator[tuple[StrOrPromise, StrOrPromise, str]]:
    if "notification" in seen:
        posted = now.last_notification
        last = markup.moment(timezones.to_stored(posted)) if posted else "–"
        yield _("last notification"), last or "–", _list(site, Notification, source="webhook")
        for each in now.refused:
            name = _("requests refused in the past 24 hours: %(reason)s") % {"reason": label(each.reason)}
            yield name, f"{each.number:,}", ""
    if "pendingsignal" in seen:
        pending, dead = _("rows of pending signals"), _("rows of dead signals")
        yield pending, _at_most(now.pending_rows), _list(site, PendingSignal, state="pending")
        yield dead, _at_most(now.dead_rows), _list(site, PendingSignal, state="dead")
    if "rejectedevent" in seen:
        name = _("events that could not be read, open")
        yield name, f"{now.rejected:,}", _list(site, RejectedEvent, state="open")


def _at_most(rows: int) -> str:
    """Return a number of rows; no more than `health.MOST_ROWS` were counted."""
    return f"{rows:,}" if rows <= health.MOST_ROWS else f"> {health.MOST_ROWS:,}"


def _list(site: AdminSite, model: type[Model], **parameters: str) -> str:
    """Return the URL of a list of this admin site; "" if it has none."""
    if not site.is_registered(model):
        return ""
    view = f"admin:cmc_webhooks_{model._meta.model_name}_changelist"
    return f"{reverse(view, current_app=site.name)}?{urlencode(parameters)}"


def _page(site: AdminSite, row: Model) -> str:
    """Return the URL of a row's page in this admin site; "" if it has none."""
    if not site.is_registered(type(row)):
        return ""
    view = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return reverse(view, args=[row.pk], current_app=site.name)


def _periods(parameters: Mapping[str, str]) -> list[tuple[str, StrOrPromise, bool]]:
    """Return the presets: URL, name, and True for the selected one."""
    composition = parameters.get("server_composition")
    of = {"server_composition": composition} if composition else {}
    is_range = bool(parameters.get("from") or parameters.get("to"))
    chosen = "" if is_range else parameters.get("since") or DEFAULT_PERIOD
    return [
        (f"?{urlencode({'since': name} | of)}", label, name == chosen)
        for name, (label, _ago) in filters.PeriodFilter.periods.items()
    ]


def share(number: int, total: int) -> str:
    """Return a share as text in per cent; "" if the total is 0."""
    return f"{100 * number / total:.1f} %" if total else ""
