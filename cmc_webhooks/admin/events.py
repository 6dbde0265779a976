"""Admin of events as received: deliveries and bounces with their mail, and blocks, which have no mail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cmc_webhooks import timezones, wire
from cmc_webhooks.admin import base, export, filters, labels, markup, search
from cmc_webhooks.models import BlockEvent, BounceEvent, DeliveryEvent, Mail, Notification
from cmc_webhooks.models.querysets import ADDRESS_LENGTH
from cmc_webhooks.status import BOUNCED

DAYS_OF_FILTERS = 31

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString
    from django_stubs_ext import StrOrPromise


class BroughtBy(base.ReadOnlyAdmin):
    """Base of the admins of all kinds of events."""

    ordering = ("-id",)

    @admin.display(description=_("webhook notification"))
    def brought_by(self, event: Any) -> StrOrPromise:
        """Return a link to the notification. It may be deleted already; the event keeps its key."""
        if not base.kept_notifications([event], event._state.db):
            return _("deleted (retention)")
        return markup.link(self.admin_site, Notification, event.notification_id, event.notification_id)


class MailEventAdmin(BroughtBy, base.ExportingAdmin):
    """Base of the admins of deliveries and bounces."""

    list_select_related = ("mail",)
    list_defer = ("extra", "mail__header_from", "mail__sender", "mail__return_path", "mail__reason")
    search_fields = search.SEARCH_FIELDS
    search_help_text = search.HELP

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return self._seen(request, super().get_list_display(request))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [
            (title, {**options, "fields": self._seen(request, options["fields"])})
            for title, options in super().get_fieldsets(request, obj)
        ]

    def _seen(self, request: HttpRequest, names: Iterable[Any]) -> list[Any]:
        """Return the columns that the user may see: without mails, only which mail an event is about."""
        if self.may_view_mails(request):
            return list(names)
        return ["recipient_of" if name == "mail_of" else name for name in names if name != "about"]

    @admin.display(description=_("recipient"))
    def recipient_of(self, event: Any) -> SafeString:
        return markup.two_lines(self._recipient(event), "")

    @admin.display(description=_("recipient and subject"))
    def mail_of(self, event: Any) -> SafeString:
        text = markup.two_lines(self._recipient(event), event.mail.subject)
        return markup.link(self.admin_site, Mail, event.mail_id, text)

    def _recipient(self, event: Any) -> str:
        nobody = _("(erased)") if event.mail.erased_at else _("no recipient")
        return event.mail.recipient or str(nobody)

    @admin.display(description=_("subject"))
    def about(self, event: Any) -> str:
        return markup.short(event.mail.subject)

    @admin.display(description=_("mail"))
    def whole_mail(self, event: Any) -> SafeString:
        return markup.link(self.admin_site, Mail, event.mail_id, event.mail)

    @admin.display(description=_("reason"))
    def why(self, event: Any) -> SafeString:
        return markup.two_lines(labels.reason_of_event(event).words, event.reason)

    @admin.display(description=_("meaning"))
    def meaning(self, event: Any) -> SafeString:
        return markup.two_lines(*labels.reason_of_event(event, event.mail.bounce_code))

    @admin.display(description=_("the server's answer"))
    def answer(self, event: Any) -> StrOrPromise:
        return markup.preformatted(event.reason) if event.reason else self.get_empty_value_display()

    @admin.display(description=_("other values"))
    def further(self, event: Any) -> StrOrPromise:
        return markup.json_text(event.extra) if event.extra else self.get_empty_value_display()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        days = filters.OccurredFilter.days_meant(request.GET)
        meaning = search.interpret(Mail.objects.using(queryset.db), search_term, days)
        request.cmc_meaning = meaning  # type: ignore[attr-defined] # for the page, which shows it
        return (queryset if meaning is None else queryset.filter(mail__in=meaning.mails.values("pk"))), False

    def matching(self, meaning: search.SearchResult) -> QuerySet[Any]:
        rows: QuerySet[Any] = self.model._default_manager.using(meaning.mails.db)
        return rows.filter(mail__in=meaning.mails.values("pk"))

    def within_reach(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> tuple[QuerySet[Any], StrOrPromise | None]:
        """Limit a filter by status or bounce class to 31 days, by default the latest.

        Bounce classes and the usual statuses have no index.
        """
        asked = {name for name, value in request.GET.items() if value}
        days = filters.OccurredFilter.days_meant(request.GET)
        if not asked & {"status", "bounce_class"} or "q" in asked or days.are_at_most(DAYS_OF_FILTERS):
            return queryset, None
        last = days.last or self._last_day(queryset)
        days = timezones.DateRange(last - timedelta(days=DAYS_OF_FILTERS - 1), last)
        request.cmc_days = days  # type: ignore[attr-defined] # for the name of an exported file
        notice = _(
            "Filters show 31 days of events: %(first)s to %(last)s. Choose other days beside the list."
        )
        return (
            queryset.occurred_between(*days.bounds()),  # type: ignore[attr-defined] # our queryset
            notice % {"first": days.first, "last": days.last},
        )

    def _last_day(self, queryset: QuerySet[Any]) -> date:
        """Return the day of the latest event, except those with a clock far ahead; today without any."""
        ahead = datetime.now(UTC) + timedelta(days=2)
        events = self.model._default_manager.using(queryset.db).filter(pk__lt=wire.key_at(ahead))
        latest = events.order_by("-pk").values_list("occurred_at", flat=True).first()
        zone = timezone.get_default_timezone()
        return timezones.to_aware(latest).astimezone(zone).date() if latest else timezones.today()


@admin.register(DeliveryEvent)
class DeliveryEventAdmin(MailEventAdmin):
    nothing = _("No delivery events yet. Each status that CMC reports appears here.")
    list_display = ("occurred_on", "badge", "mail_of", "why")
    list_filter = (filters.DeliveryStatusFilter, filters.OccurredFilter)
    fieldsets = (
        (None, {"fields": ("badge", "meaning", "answer", "occurred", "received")}),
        (_("Mail"), {"fields": ("whole_mail", "about")}),
        (
            _("As received"),
            {
                "fields": ("status", "source_ip", "sender_ip", "further", "brought_by"),
                "classes": ("collapse",),
            },
        ),
    )

    occurred_on = base.when_of(DeliveryEvent, "occurred_at")
    occurred = base.moment_of(DeliveryEvent, "occurred_at")
    received = base.moment_of(DeliveryEvent, "received_at")

    @admin.display(description=_("status"))
    def badge(self, event: DeliveryEvent) -> SafeString:
        return markup.badge(event.status)


@admin.register(BounceEvent)
class BounceEventAdmin(MailEventAdmin):
    exported = (export.ROWS, export.ADDRESSES)
    nothing = _("No bounces. Each bounce appears here with its code.")
    list_display = ("occurred_on", "badge", "mail_of", "why")
    list_filter = (filters.BounceClassFilter, filters.OccurredFilter)
    fieldsets = (
        (None, {"fields": ("badge", "meaning", "answer", "occurred", "received")}),
        (_("Mail"), {"fields": ("whole_mail", "about")}),
        (
            _("As received"),
            {"fields": ("bounce_code", "further", "brought_by"), "classes": ("collapse",)},
        ),
    )

    occurred_on = base.when_of(BounceEvent, "occurred_at")
    occurred = base.moment_of(BounceEvent, "occurred_at")
    received = base.moment_of(BounceEvent, "received_at")

    @admin.display(description=_("status"))
    def badge(self, event: BounceEvent) -> SafeString:
        return markup.badge(BOUNCED)


@admin.register(BlockEvent)
class BlockEventAdmin(BroughtBy):
    nothing = _("No block events. Addresses that CMC adds to its list of blocked addresses appear here.")
    list_display = ("occurred_on", "short_address", "why", "times")
    list_filter = (filters.BounceClassFilter,)
    list_defer = ("raw",)
    search_fields = ("address",)
    search_help_text = _("Type the whole address.")
    fieldsets = (
        (
            None,
            {"fields": ("whole_address", "server_composition", "why", "bounce_code", "times")},
        ),
        (_("Times"), {"fields": ("occurred", "received")}),
        (
            _("As received"),
            {"fields": ("as_sent", "brought_by"), "classes": ("collapse",)},
        ),
    )

    occurred_on = base.when_of(BlockEvent, "occurred_at")
    occurred = base.moment_of(BlockEvent, "occurred_at")
    received = base.moment_of(BlockEvent, "received_at")
    times = base.number_of(BlockEvent, "occurrences")

    @admin.display(description=_("address"))
    def short_address(self, block: BlockEvent) -> str:
        return markup.short(block.address)

    @admin.display(description=_("address"))
    def whole_address(self, block: BlockEvent) -> StrOrPromise:
        """Return the address as a link to its page."""
        if not block.address:
            return self.get_empty_value_display()
        return markup.address_link(self.admin_site, block.address)

    @admin.display(description=_("reason"))
    def why(self, block: BlockEvent) -> SafeString:
        return markup.two_lines(*labels.reason_of_code(block.bounce_code))

    @admin.display(description=_("as received"))
    def as_sent(self, block: BlockEvent) -> SafeString:
        return markup.json_text(block.raw)

    def searched_address(self, request: HttpRequest) -> str:
        return search.address_in(request.GET.get("q", ""))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        meant = map(wire.canonical_mailbox, search.addresses_in(search_term))
        addresses = [each[:ADDRESS_LENGTH] for each in meant if each]
        return (queryset.filter(address__in=addresses) if addresses else queryset), False
