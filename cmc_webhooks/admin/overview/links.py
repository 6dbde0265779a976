"""URLs of lists and pages of one admin site; "" for what the site does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.urls import reverse

if TYPE_CHECKING:
    from datetime import date

    from django.contrib.admin import AdminSite
    from django.db.models import Model

    from cmc_webhooks.statistics import reports
    from cmc_webhooks.timezones import DateRange

__all__ = ["Links", "list_of", "page_of"]


class Links:
    """URLs of the list of mails, for the selected days and server composition."""

    def __init__(self, site: AdminSite, scope: reports.Scope) -> None:
        self._list = reverse("admin:cmc_webhooks_mail_changelist", current_app=site.name)
        self._scope = scope

    def to(self, days: DateRange | None = None, **parameters: str) -> str:
        """Return the URL of the list with these parameters, for these days or for all selected days."""
        first, last = days or self._scope.days
        composition = self._scope.server_composition
        of = {} if composition is None else {"server_composition": composition}
        return f"{self._list}?{urlencode({'from': _iso(first), 'to': _iso(last)} | of | parameters)}"

    def to_domain(self, domain: str, days: DateRange | None = None, **parameters: str) -> str:
        """Return the URL of the list of mails to a domain."""
        return self.to(days, q=f"@{domain}", **parameters)


def list_of(site: AdminSite, model: type[Model], **parameters: Any) -> str:
    """Return the URL of a list of this admin site."""
    if not site.is_registered(model):
        return ""
    view = f"admin:cmc_webhooks_{model._meta.model_name}_changelist"
    return f"{reverse(view, current_app=site.name)}?{urlencode(parameters)}"


def page_of(site: AdminSite, row: Model) -> str:
    """Return the URL of a row's page in this admin site."""
    if not site.is_registered(type(row)):
        return ""
    view = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return reverse(view, args=[row.pk], current_app=site.name)


def _iso(day: date | None) -> str:
    return day.isoformat() if day else ""
