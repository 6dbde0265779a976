"""Admin of mails, in which support finds out whether a mail arrived, and if not, why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from cmc_webhooks import audit, auth, erasure, numerals, suppression, wire
from cmc_webhooks.admin import (
    actions,
    export,
    filters,
    labels,
    markup,
    overview,
    search,
    shares,
    timeline,
    verdicts,
)
from cmc_webhooks.admin.base import ExportingAdmin, Tool, moment_of
from cmc_webhooks.admin.changelist import KeysetList, capped
from cmc_webhooks.db import transactions
from cmc_webhooks.erasure import blanking
from cmc_webhooks.models import Mail, Trail, routing
from cmc_webhooks.models.querysets import may_be_cut
from cmc_webhooks.statistics import reports

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString
    from django_stubs_ext import StrOrPromise


@admin.register(Mail)
class MailAdmin(ExportingAdmin):
    actions = ("redeliver", "erase")
    exported = (export.ROWS, export.ADDRESSES)
    list_display = ("badge", "to", "why", "first_seen")
    list_display_links = ("to",)
    list_defer = ("header_from", "sender", "return_path")
    list_filter = (
        filters.MailStatusFilter,
        filters.BounceClassFilter,
        filters.FirstReceivedFilter,
        filters.ServerCompositionFilter,
    )
    nothing = _("No mail yet. Each mail appears here when CMC first reports on it.")
    ordering = ("-created_at", "-id")
    search_fields = search.SEARCH_FIELDS
    search_help_text = search.HELP
    fieldsets = (
        (
            _("Message"),
            {
                "classes": ("collapse",),
                "fields": (
                    "message_id",
                    "recipient",
                    "subject",
                    "header_from",
                    "return_path",
                    "api_data",
                    "server_composition",
                ),
            },
        ),
        (
            _("Status"),
            {
                "classes": ("collapse",),
                "fields": (
                    "badge",
                    "why",
                    "bounce_code",
                    "last_delivery",
                    "previous",
                    "last_change",
                    "version",
                ),
            },
        ),
        (
            _("Times"),
            {"classes": ("collapse",), "fields": ("first_received", "first_event", "last_event", "erased")},
        ),
    )

    def get_urls(self) -> list[Any]:
        page = self.admin_site.admin_view(self.overview_view)
        disclose = self.admin_site.admin_view(require_POST(self.disclose_view))
        return [
            path("overview/", page, name="cmc_webhooks_mail_overview"),
            path("<uuid:key>/disclose/", disclose, name="cmc_webhooks_mail_disclose"),
            *super().get_urls(),
        ]

    @transactions.non_atomic
    def disclose_view(self, request: HttpRequest, key: UUID) -> HttpResponse:
        """Return all data about the recipient of a mail, as a page to be handed over."""
        if not (self.has_view_permission(request) and self.has_disclose_permission(request)):
            raise PermissionDenied
        mail = get_object_or_404(Mail.objects.using(routing.write_alias()), pk=key)
        if not blanking.is_address(mail.recipient):
            raise Http404
        actor = audit.Actor(Trail.Ways.ADMIN, audit.user_key(request.user))
        try:
            page = erasure.as_html(erasure.disclose(mail.recipient, actor=actor))
        except transactions.Unavailable:
            self.message_user(request, actions.UNAVAILABLE.text, actions.UNAVAILABLE.level)
            return redirect(self._url("change", mail.pk))
        actions.log(request, [mail], _("Personal data disclosed."))
        headers = {"Content-Disposition": 'attachment; filename="disclosure.html"'}
        return HttpResponse(page, headers=headers)

    def _url(self, name: str, *keys: Any) -> str:
        return reverse(f"admin:cmc_webhooks_mail_{name}", args=keys, current_app=self.admin_site.name)

    def overview_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return overview.view(self, request)

    def tools(self, request: HttpRequest) -> list[Tool]:
        url = reverse("admin:cmc_webhooks_mail_overview", current_app=self.admin_site.name)
        return [Tool(_("Delivery overview"), url), *super().tools(request)]

    @admin.display(description=_("status"))
    def badge(self, mail: Mail) -> SafeString:
        return markup.badge(mail.status)

    def prepare(self, request: HttpRequest, rows: Sequence[Mail]) -> None:
        """Ask for the verdicts on the addresses of a page, in one query, and for the one searched for."""
        searched = self.searched_address(request)
        known = verdicts.ask(searched)
        request.cmc_verdict = known  # type: ignore[attr-defined] # for the line above the list
        found = {wire.canonical_mailbox(searched): known[0]} if searched else {}
        others = {mail.address for mail in rows if mail.address and not may_be_cut(mail.address)}
        found |= suppression.explain(others - found.keys())
        for mail in rows:
            mail.explained = found.get(mail.address)  # type: ignore[attr-defined] # for the columns

    def statement(self, request: HttpRequest) -> verdicts.Statement | None:
        searched, known = self.searched_address(request), getattr(request, "cmc_verdict", None)
        if known is None or not verdicts.is_address(searched):
            return None
        return verdicts.AddressLinks(self.admin_site, request).statement(searched, *known)

    @admin.display(description=_("recipient and subject"))
    def to(self, mail: Mail) -> SafeString:
        nobody = _("(erased)") if mail.erased_at else _("no recipient")
        return markup.two_lines(mail.recipient or str(nobody), mail.subject)

    @admin.display(description=_("reason"))
    def why(self, mail: Mail) -> SafeString:
        """Return the reason; in the list also the server's answer, or else advice, and the verdict."""
        (words, meaning), explained = labels.reason_of_mail(mail), getattr(mail, "explained", None)
        if explained is None:
            return markup.two_lines(words, meaning)
        reasons, composition = explained.reasons, mail.server_composition
        is_stopped = verdicts.stops(reasons, composition)
        advice = verdicts.advice(mail, is_stopped=is_stopped, is_at_cmc=explained.verdict.at_cmc)
        note: SafeString | str = ""
        if reasons:
            tone, word = ("bad", _("suppressed")) if is_stopped else ("delayed", _("partly suppressed"))
            note = markup.note(tone, word, verdicts.sentences(reasons, composition)[0].text)
        return markup.two_lines(words, mail.reason or advice, note)

    @admin.display(description=_("previous status"))
    def previous(self, mail: Mail) -> StrOrPromise:
        return markup.badge(mail.previous_status) if mail.previous_status else self.get_empty_value_display()

    @admin.display(description=_("delivery"))
    def last_delivery(self, mail: Mail) -> StrOrPromise:
        return markup.badge(mail.delivery_status) if mail.delivery_status else self.get_empty_value_display()

    @admin.display(description=_("first received"))
    def first_seen(self, mail: Mail) -> StrOrPromise:
        """Return the time by which the list is ordered, and below it that of the last change."""
        first = markup.when(mail.created_at)
        changed = markup.changed(mail.status_at, mail.created_at)
        if first is None or changed is None:
            return first or self.get_empty_value_display()
        return first + format_html(
            '<span class="cmc-below">{}</span>', format_html(gettext("changed {}"), changed)
        )

    last_change = moment_of(Mail, "status_at")
    first_received = moment_of(Mail, "created_at")
    first_event = moment_of(Mail, "first_event_at")
    last_event = moment_of(Mail, "last_event_at")
    erased = moment_of(Mail, "erased_at")

    @admin.action(description=_("Send the signals of the selected mails again"), permissions=["redeliver"])
    def redeliver(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return actions.Redeliver.run(self, request, queryset)

    @admin.action(description=_("Erase the recipients' personal data"), permissions=["erase"])
    def erase(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return actions.Erase.run(self, request, queryset)

    def has_erase_permission(self, request: HttpRequest) -> bool:
        return auth.may(request.user, "cmc_webhooks.erase_mail")

    def has_disclose_permission(self, request: HttpRequest) -> bool:
        return auth.may(request.user, "cmc_webhooks.disclose_mail")

    def has_redeliver_permission(self, request: HttpRequest) -> bool:
        return auth.may(request.user, "cmc_webhooks.redeliver_mail")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        days = filters.FirstReceivedFilter.days_meant(request.GET)
        meaning = search.interpret(Mail.objects.using(queryset.db), search_term, days)
        request.cmc_meaning = meaning  # type: ignore[attr-defined] # for the page, which shows it
        return (queryset if meaning is None else queryset & meaning.mails), False

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the order of the list. What the beginning of an address finds is listed by address."""
        is_by_address = getattr(getattr(request, "cmc_meaning", None), "is_by_address", False)
        return ("address", "created_at", "id") if is_by_address else self.ordering

    def total(self, request: HttpRequest, changelist: KeysetList) -> str | None:
        """Return the sum of the stored counts as text. These cover all filters of the list.

        Search results are counted, up to 10,000, with the shares of their statuses.
        """
        if changelist.query:
            changelist.found = shares.of(changelist.queryset, changelist)
            return changelist.found.number
        if not changelist.get_filters_params().keys() <= self.filter_parameters():
            return capped(changelist.queryset)  # the limit of a foreign key, in a popup
        asked = request.GET
        days = filters.FirstReceivedFilter.days_meant(asked)
        composition = asked.get("server_composition")
        scope = reports.Scope(days, composition if composition is None else wire.clean(composition))
        columns: dict[str, Any] = {name: asked[name] for name in ("bounce_class",) if asked.get(name)}
        status = asked.get("status")
        if status == filters.OTHER:
            known = reports.mails(
                changelist.queryset.db, scope, **columns, status__in=list(labels.STATUS_WORDS)
            )
            return numerals.grouped(reports.mails(changelist.queryset.db, scope, **columns) - known)
        if status:
            columns["status"] = status
        return numerals.grouped(reports.mails(changelist.queryset.db, scope, **columns))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        mail: Mail = context["original"]
        links = timeline.Links(self.admin_site, request)
        listed = reverse("admin:cmc_webhooks_mail_changelist", current_app=self.admin_site.name)
        may_disclose = self.has_disclose_permission(request) and blanking.is_address(mail.recipient)
        history = {
            "title": markup.short(mail.subject) or _("Mail without a subject"),
            "subtitle": markup.short(mail.recipient),
            "disclose_url": self._url("disclose", mail.pk) if may_disclose else None,
            "zone": timezone.get_current_timezone_name(),
            "summary": timeline.summary(mail, verdicts.AddressLinks(self.admin_site, request)),
            "related": timeline.related(mail, links),
            "same_api_data": f"{listed}?{urlencode({'q': mail.api_data})}" if mail.api_data else "",
            "timeline": timeline.entries(mail, links),
            "same_message": timeline.same_message(mail, links, listed),
            "same_address": timeline.same_address(mail, links, listed),
        }
        return super().render_change_form(request, context | history, *args, **kwargs)
