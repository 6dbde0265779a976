"""The top of the overview, for the app's index: what is unusual, and the week against the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.sites import all_sites
from django.urls import reverse

from cmc_webhooks import auth
from cmc_webhooks.admin import filters, search, verdicts
from cmc_webhooks.admin.overview import figures, periods, unusual
from cmc_webhooks.admin.overview.links import Links
from cmc_webhooks.models import Mail, routing
from cmc_webhooks.statistics import reports

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite
    from django.http import HttpRequest

__all__ = ["start", "summary"]


def summary(request: HttpRequest) -> dict[str, Any]:
    """Return what is unusual and the cards of the past 7 days, as far as this user may see them.

    It runs at most eleven queries.
    """
    site = _site(request)
    if site is None:
        return {}
    using = routing.write_alias()
    seen = unusual.look(using, site, request)
    may_open = site.is_registered(Mail) and auth.may(request.user, "cmc_webhooks.view_mail")
    url = reverse("admin:cmc_webhooks_mail_overview", current_app=site.name) if may_open else ""
    lines = [line._replace(url=_for_other_pages(line.url, url)) for line in seen.lines]
    found: dict[str, Any] = {"unusual": lines, "verdict": seen.verdict}
    if not may_open:
        return found
    scope = periods.chosen_scope({})
    then = scope._replace(days=periods.before(scope.days))
    by_day, before = (reports.by_day(using, each) for each in (scope, then))
    return found | {
        "url": url,
        "period": filters.PeriodFilter.periods[periods.DEFAULT].label,
        "before": periods.name_of_before(scope.days),
        "outcomes": figures.cards(by_day, before, Links(site, scope)),
    }


def start(request: HttpRequest) -> dict[str, Any]:
    """Return what index pages begin with: the summary, the search for mails, and the suppressed addresses."""
    site = _site(request)
    if site is None:
        return {}
    links = verdicts.AddressLinks(site, request)
    return summary(request) | {
        "search_url": links.list_of_mails(),
        "search_help": search.HELP,
        "suppressed_url": links.suppressed(),
    }


def _for_other_pages(url: str, overview: str) -> str:
    """Return a URL that may be that of a part of the overview; "" for those who may not open it."""
    if not url.startswith("#"):
        return url
    return f"{overview}{url}" if overview else ""


def _site(request: HttpRequest) -> AdminSite | None:
    name = getattr(request, "current_app", "")
    return next((site for site in (admin.site, *all_sites) if site.name == name), None)
