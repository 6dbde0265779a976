"""The mails: what support looks at to say whether one arrived, and if not, why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cmc_webhooks import figures, wire
from cmc_webhooks.admin import actions, filters, lists, markup, overview, search, timeline, words
from cmc_webhooks.admin.base import ExportingAdmin, Tool, moment_of
from cmc_webhooks.models import Mail

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString
    from django_stubs_ext import StrOrPromise


@admin.register(Mail)
class MailAdmin(ExportingAdmin):
    actions = ("redeliver", "erase")
    list_display = ("badge", "to", "about", "why", "last_change")
    list_display_links = ("to",)
    list_filter = (
        filters.MailStatusFilter,
        filters.BounceClassFilter,
        filters.FirstReceivedFilter,
        filters.ServerCompositionFilter,
    )
    ordering = ("-created_at", "-id")
    search_fields = search.SEARCH_FIELDS
    search_help_text = search.HELP
    fieldsets = (
        (
            _("Message"),
            {
                "fields": (
                    "message_id",
                    "recipient",
                    "subject",
                    "header_from",
                    "return_path",
                    "api_data",
                    "server_composition",
                )
            },
        ),
        (
            _("Status"),
            {
                "fields": (
                    "badge",
                    "why",
                    "bounce_code",
                    "answer",
                    "last_delivery",
                    "previous",
                    "last_change",
                    "version",
                )
            },
        ),
        (_("Times"), {"fields": ("first_received", "first_event", "last_event", "erased")}),
    )

    def get_urls(self) -> list[Any]:
        page = self.admin_site.admin_view(self.overview_view)
        return [path("overview/", page, name="cmc_webhooks_mail_overview"), *super().get_urls()]

    def overview_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return overview.view(self, request)

    def tools(self, request: HttpRequest) -> list[Tool]:
        url = reverse("admin:cmc_webhooks_mail_overview", current_app=self.admin_site.name)
        return [Tool(_("Overview"), url), *super().tools(request)]

    @admin.display(description=_("status"))
    def badge(self, mail: Mail) -> SafeString:
        return markup.badge(mail.status)

    @admin.display(description=_("recipient"))
    def to(self, mail: Mail) -> str:
        return markup.short(mail.recipient)

    @admin.display(description=_("subject"))
    def about(self, mail: Mail) -> str:
        return markup.short(mail.subject)

    @admin.display(description=_("reason"))
    def why(self, mail: Mail) -> SafeString:
        reason = words.reason_of_mail(mail)
        return markup.two_lines(reason.words, words.advice(mail.bounce_class) or mail.reason)

    @admin.display(description=_("the server's answer"))
    def answer(self, mail: Mail) -> StrOrPromise:
        return markup.preformatted(mail.reason) if mail.reason else self.get_empty_value_display()

    @admin.display(description=_("previous status"))
    def previous(self, mail: Mail) -> StrOrPromise:
        return markup.badge(mail.previous_status) if mail.previous_status else self.get_empty_value_display()

    @admin.display(description=_("delivery"))
    def last_delivery(self, mail: Mail) -> StrOrPromise:
        return markup.badge(mail.delivery_status) if mail.delivery_status else self.get_empty_value_display()

    @admin.display(description=_("last change"))
    def last_change(self, mail: Mail) -> StrOrPromise:
        return markup.ago(mail.status_at) or self.get_empty_value_display()

    first_received = moment_of(Mail, "created_at")
    first_event = moment_of(Mail, "first_event_at")
    last_event = moment_of(Mail, "last_event_at")
    erased = moment_of(Mail, "erased_at")

    @admin.action(description=_("Send the signals of the chosen mails again"), permissions=["redeliver"])
    def redeliver(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return actions.Redeliver.run(self, request, queryset)

    @admin.action(description=_("Erase the people whom the chosen mails went to"), permissions=["erase"])
    def erase(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return actions.Erase.run(self, request, queryset)

    def has_erase_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("cmc_webhooks.erase_mail")

    def has_redeliver_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("cmc_webhooks.redeliver_mail")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        days = filters.FirstReceivedFilter.days_meant(request.GET)
        meaning = search.understand(Mail.objects.using(queryset.db), search_term, days)
        request.cmc_meaning = meaning  # type: ignore[attr-defined] # for the page, which says so
        return (queryset if meaning is None else queryset & meaning.mails), False

    def total(self, request: HttpRequest, changelist: lists.KeysetList) -> str | None:
        """The sum of the counts that are kept, which know all filters of the list."""
        if changelist.query:
            return lists.capped(changelist.queryset)
        asked = request.GET
        days = filters.FirstReceivedFilter.days_meant(asked)
        composition = asked.get("server_composition")
        chosen = figures.Range(
            days.first, days.last, composition if composition is None else wire.clean(composition)
        )
        columns: dict[str, Any] = {name: asked[name] for name in ("bounce_class",) if asked.get(name)}
        status = asked.get("status")
        if status == filters.OTHER:
            known = figures.mails(
                changelist.queryset.db, chosen, **columns, status__in=list(words.STATUS_WORDS)
            )
            return f"{figures.mails(changelist.queryset.db, chosen, **columns) - known:,}"
        if status:
            columns["status"] = status
        return f"{figures.mails(changelist.queryset.db, chosen, **columns):,}"

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        mail: Mail = context["original"]
        links = timeline.Links(self.admin_site, request)
        listed = reverse("admin:cmc_webhooks_mail_changelist", current_app=self.admin_site.name)
        history = {
            "zone": timezone.get_current_timezone_name(),
            "summary": timeline.summary(mail),
            "related": timeline.related(mail, links),
            "timeline": timeline.entries(mail, links),
            "same_message": timeline.same_message(mail, links, listed),
            "same_address": timeline.same_address(mail, links, listed),
        }
        return super().render_change_form(request, context | history, *args, **kwargs)
