"""List of all addresses that may not be sent to, automatically or by hand, and its files."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cmc_webhooks import audit, suppression, timezones, wire
from cmc_webhooks.admin import export, verdicts
from cmc_webhooks.db import keyset
from cmc_webhooks.downloads import Column, Table
from cmc_webhooks.models import Suppression, Trail, routing
from cmc_webhooks.statistics import reports
from cmc_webhooks.suppression import rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

    from cmc_webhooks.admin.base import ReadOnlyAdmin
    from cmc_webhooks.suppression import Listed

NAME = "suppressed"
FILTERS = ("reason", "composition", "domain", "transactional")
COLUMNS = (
    Column(_("address"), attrgetter("address")),
    Column(_("reason"), lambda row: _reason(row.verdict.reason)),
    Column(_("server composition"), attrgetter("verdict.composition")),
    Column(_("since"), attrgetter("verdict.since"), is_time=True),
    Column(_("until"), attrgetter("verdict.until"), is_time=True),
    Column(_("refused by CMC too"), lambda row: export.yes_or_no(row.verdict.at_cmc)),
    Column(
        _("all reasons"),
        lambda row: "; ".join(dict.fromkeys(_reason(each.reason) for each in row.reasons)),
    ),
    Column(_("explanation"), export.sentences),
)
"""The columns of a file of the list."""


class Row(NamedTuple):
    """One address of the list."""

    address: str
    url: str
    sentences: list[verdicts.Sentence]


class Filters(NamedTuple):
    """What the list is filtered by. `composition` "" is any of them."""

    reason: str = ""
    composition: str = ""
    domain: str = ""
    transactional: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Filters:
        """Return the filters that these parameters name. A reason that is not one is left out."""
        values = {name: wire.clean(given.get(name, "")).strip() for name in FILTERS}
        if values["reason"] not in rules.REASONS:
            values["reason"] = ""
        return cls(**values)

    @property
    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `suppression.listing` and `suppression.stream`."""
        return {
            "reason": self.reason,
            "composition": self.composition or None,
            "domain": self.domain,
            "transactional": bool(self.transactional),
        }

    @property
    def query(self) -> str:
        """Return the query string of these filters."""
        return urlencode({name: value for name, value in self._asdict().items() if value})


def view(admin: ReadOnlyAdmin, request: HttpRequest) -> HttpResponse:
    """Return a page of the list. It looks at a limited number of addresses, then offers to look further."""
    filters, offered = Filters.of(request.GET), verdicts.AddressLinks(admin.admin_site, request)
    try:
        page = suppression.listing(**filters.arguments, after=request.GET.get("after", ""))
    except keyset.BadCursor:
        return HttpResponseRedirect(f"{offered.url(NAME)}?{filters.query}")
    request.current_app = admin.admin_site.name
    further = f"?{filters.query}&{urlencode({'after': page.next})}" if page.next else ""
    context = {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "media": admin.media,
        "title": gettext("Suppressed addresses"),
        "rows": [_row(each, offered) for each in page.rows],
        "looked_at": page.looked_at,
        "further": further,
        "is_first": not request.GET.get("after"),
        "filters": filters,
        "reasons": Suppression.Reasons.choices,
        "compositions": sorted(filter(None, {*_compositions(), filters.composition})),
        "zone": timezone.get_current_timezone_name(),
        "tools": admin.tools_of_list(request, filters.query),  # type: ignore[attr-defined] # ours
    }
    return TemplateResponse(request, "admin/cmc_webhooks/suppressed.html", context)


def export_view(admin: Any, request: HttpRequest, extension: str) -> HttpResponseBase:
    """Return the whole list with these filters as a file, and record it."""
    filters = Filters.of(request.GET)
    used = sorted(name for name, value in filters._asdict().items() if value)
    record = audit.begin(
        Trail.Actions.EXPORTED,
        audit.Actor(Trail.Ways.ADMIN, audit.user_key(request.user)),
        list=NAME,
        filters=used,
        format=extension,
    )
    rows: Iterable[Listed] = suppression.stream(**filters.arguments)
    table = Table(gettext("Suppressed addresses"), COLUMNS, export.limited(rows, extension))
    name = export.file_name(partial(_parts_of_name, filters), extension)
    try:
        answer = export.response(request, table, name, extension, record)
    except export.TooManyRows as refusal:
        admin.say(request, str(refusal), messages.WARNING)
        url = verdicts.AddressLinks(admin.admin_site, request).url(NAME)
        return HttpResponseRedirect(f"{url}?{filters.query}")
    LogEntry.objects.create(
        user_id=str(request.user.pk),
        content_type=ContentType.objects.get_for_model(Suppression),
        object_repr=gettext("Suppressed addresses")[:200],
        action_flag=CHANGE,
        change_message=export.note(export.ROWS, extension, used),
    )
    return answer


def _parts_of_name(filters: Filters) -> Iterator[str]:
    yield gettext("Suppressed addresses")
    yield timezones.today().isoformat()
    yield _reason(filters.reason) if filters.reason else ""
    yield filters.composition
    yield filters.domain.replace(".", "-")
    yield gettext("mail that the person asked for") if filters.transactional else ""


def _reason(reason: str) -> str:
    return capfirst(str(dict(Suppression.Reasons.choices).get(reason, reason)))


def _row(listed: Listed, offered: verdicts.AddressLinks) -> Row:
    return Row(
        address=listed.address,
        url=offered.page(listed.address),
        sentences=verdicts.sentences(listed.reasons),
    )


def _compositions() -> Iterable[str]:
    """Return the server compositions that have mails."""
    return reports.compositions(routing.write_alias())
