"""What is unusual: open alerts, and the problems that health reports, each with the page that resolves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django.utils.translation import gettext as _

from cmc_webhooks import auth, numerals, timezones
from cmc_webhooks.admin import markup
from cmc_webhooks.admin.overview.links import list_of, page_of
from cmc_webhooks.models import Alert, Notification, PendingSignal, RejectedEvent
from cmc_webhooks.models.refusals import label
from cmc_webhooks.monitoring import health

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from django.contrib.admin import AdminSite
    from django.db.models import Model
    from django.http import HttpRequest
    from django_stubs_ext import StrOrPromise

    from cmc_webhooks.monitoring import problems

__all__ = ["Line", "Unusual", "intake", "look", "may_see"]

LINES = 10
SEEN_IN_HEALTH = ("notification", "pendingsignal", "rejectedevent")
"""Models whose numbers are shown beside the figures, to those who may view them."""
REFUSED_CALLS = "#cmc-intake"
"""Where the page itself lists the refused requests by reason."""


class Line(NamedTuple):
    """A sentence that says what is unusual, the URL of where to look, and one with the commonest reply."""

    text: str
    url: str
    reply: str = ""


class Unusual(NamedTuple):
    """The lines; if there are none, the sentence that says so. `domains` are those with an open alert.

    `health` is None for users who may view none of it. `wrong_zone` is the text of that problem, or "".
    """

    lines: list[Line]
    verdict: str
    domains: dict[str, str]
    health: health.Health | None
    wrong_zone: str


def look(using: str, site: AdminSite, request: HttpRequest) -> Unusual:
    """Return what is unusual now, as far as this user may see it."""
    seen = may_see(request)
    now = health.look(using) if seen else None
    found = now.found() if now and "notification" in seen else []
    may_see_alerts = auth.may(request.user, "cmc_webhooks.view_alert")
    opened = _open_alerts(using) if may_see_alerts else []
    lines = [
        *(Line(alert.sentence, page_of(site, alert), _reply(alert)) for alert in opened),
        *_problems(found, site, seen),
    ]
    verdict = ""
    if now and "notification" in seen:
        verdict = now.verdict()
    elif may_see_alerts:
        verdict = _("There is no open alert.")
    return Unusual(
        lines,
        verdict,
        {alert.domain: alert.answer for alert in opened if alert.domain},
        now,
        "".join(problem.text for problem in found if problem.code == "wrong_zone"),
    )


def may_see(request: HttpRequest) -> list[str]:
    """Return those of `SEEN_IN_HEALTH` that this user may view."""
    return [name for name in SEEN_IN_HEALTH if auth.may(request.user, f"cmc_webhooks.view_{name}")]


def intake(
    now: health.Health | None, site: AdminSite, request: HttpRequest
) -> list[tuple[StrOrPromise, StrOrPromise, str]]:
    """Return the last notification and the counts that this user may view, as (name, value, URL)."""
    return list(_numbers(now, site, may_see(request))) if now else []


def _open_alerts(using: str) -> list[Alert]:
    """Return the open alerts about refused mails, the latest first. Others are problems of the health."""
    opened = Alert._default_manager.using(using).filter(open_key__isnull=False, kind=Alert.Kinds.RATE)
    return list(opened.order_by("-raised_at", "-id")[:LINES])


def _reply(alert: Alert) -> str:
    return _("Commonest answer: %s") % alert.answer if alert.answer else ""


def _problems(found: Sequence[problems.Problem], site: AdminSite, seen: Sequence[str]) -> Iterator[Line]:
    lists: Mapping[str, tuple[type[Model], Mapping[str, str]]] = {
        "dead_signals": (PendingSignal, {"state": "dead"}),
        "late_signals": (PendingSignal, {"state": "pending"}),
        "rejected_events": (RejectedEvent, {"state": "open"}),
        "silence": (Notification, {"source": "webhook"}),
        "future": (Notification, {}),
        "wrong_zone": (Notification, {}),
    }
    for problem in found:
        if problem.code == "refused_calls":
            yield Line(problem.text, REFUSED_CALLS)
            continue
        model, parameters = lists[problem.code]
        may_open = model._meta.model_name in seen
        yield Line(problem.text, list_of(site, model, **parameters) if may_open else "")


def _numbers(
    now: health.Health, site: AdminSite, seen: Sequence[str]
) -> Iterator[tuple[StrOrPromise, StrOrPromise, str]]:
    if "notification" in seen:
        posted = now.last_notification
        last = markup.moment(timezones.to_stored(posted)) if posted else None
        yield _("last notification"), last or "–", list_of(site, Notification, source="webhook")
        for each in now.refused:
            name = _("requests refused in the past 24 hours: %(reason)s") % {"reason": label(each.reason)}
            yield name, numerals.grouped(each.number), ""
    if "pendingsignal" in seen:
        pending, dead = _("rows of pending signals"), _("rows of dead signals")
        yield pending, _at_most(now.pending_rows), list_of(site, PendingSignal, state="pending")
        yield dead, _at_most(now.dead_rows), list_of(site, PendingSignal, state="dead")
    if "rejectedevent" in seen:
        name = _("events that could not be read, open")
        yield name, numerals.grouped(now.rejected), list_of(site, RejectedEvent, state="open")


def _at_most(rows: int) -> str:
    """Return a number of rows; no more than `health.MOST_ROWS` were counted."""
    return numerals.grouped(rows) if rows <= health.MOST_ROWS else f"> {numerals.grouped(health.MOST_ROWS)}"
