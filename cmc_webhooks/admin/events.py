"""The events as they came in, each tied to its mail; blocks, which belong to none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cmc_webhooks import figures, rows, wire
from cmc_webhooks.admin import base, filters, markup, search, words
from cmc_webhooks.models import BlockEvent, BounceEvent, DeliveryEvent, Mail, Notification
from cmc_webhooks.querysets import ADDRESS_LENGTH
from cmc_webhooks.status import BOUNCED

DAYS_OF_FILTERS = 31

if TYPE_CHECKING:
    from datetime import date

    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString
    from django_stubs_ext import StrOrPromise


class BroughtBy(base.ReadOnlyAdmin):
    """What all kinds of events show of themselves."""

    ordering = ("-id",)

    @admin.display(description=_("notification"))
    def brought_by(self, event: Any) -> StrOrPromise:
        """The notification may have been pruned, which leaves its key in the event."""
        if not base.kept_notifications([event], event._state.db):
            return _("no longer kept")
        return markup.link(self.admin_site, Notification, event.notification_id, event.notification_id)


class MailEventAdmin(BroughtBy, base.ExportingAdmin):
    """What deliveries and bounces share."""

    list_select_related = ("mail",)
    search_fields = search.SEARCH_FIELDS
    search_help_text = search.HELP

    @admin.display(description=_("recipient"))
    def mail_of(self, event: Any) -> SafeString:
        text = markup.short(event.mail.recipient) or _("no recipient")
        return markup.link(self.admin_site, Mail, event.mail_id, text)

    @admin.display(description=_("subject"))
    def about(self, event: Any) -> str:
        return markup.short(event.mail.subject)

    @admin.display(description=_("mail"))
    def whole_mail(self, event: Any) -> SafeString:
        return markup.link(self.admin_site, Mail, event.mail_id, event.mail)

    @admin.display(description=_("reason"))
    def why(self, event: Any) -> SafeString:
        return markup.two_lines(words.reason_of_event(event).words, event.reason)

    @admin.display(description=_("meaning"))
    def meaning(self, event: Any) -> SafeString:
        return markup.two_lines(*words.reason_of_event(event))

    @admin.display(description=_("the server's answer"))
    def answer(self, event: Any) -> StrOrPromise:
        return markup.preformatted(event.reason) if event.reason else self.get_empty_value_display()

    @admin.display(description=_("further values"))
    def further(self, event: Any) -> StrOrPromise:
        return markup.json_text(event.extra) if event.extra else self.get_empty_value_display()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        days = filters.OccurredFilter.days_meant(request.GET)
        meaning = search.understand(Mail.objects.using(queryset.db), search_term, days)
        request.cmc_meaning = meaning  # type: ignore[attr-defined] # for the page, which says so
        return (queryset if meaning is None else queryset.filter(mail__in=meaning.mails.values("pk"))), False

    def within_reach(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> tuple[QuerySet[Any], StrOrPromise | None]:
        """A status or a class has no index: it is looked for within 31 days, by default the latest."""
        asked = {name for name, value in request.GET.items() if value}
        days = filters.OccurredFilter.days_meant(request.GET)
        if not asked & {"status", "bounce_class"} or "q" in asked or days.are_at_most(DAYS_OF_FILTERS):
            return queryset, None
        last = days.last or self._last_day(queryset)
        days = filters.Days(last - timedelta(days=DAYS_OF_FILTERS - 1), last)
        notice = _(
            "Filtered events are those of 31 days, here %(first)s to %(last)s; choose others beside the list."
        )
        return (
            queryset.occurred_between(*days.bounds()),  # type: ignore[attr-defined] # ours
            notice % {"first": days.first, "last": days.last},
        )

    def _last_day(self, queryset: QuerySet[Any]) -> date:
        """The day of the latest event, those with a clock far ahead left out."""
        ahead = datetime.now(UTC) + timedelta(days=2)
        events = self.model._default_manager.using(queryset.db).filter(pk__lt=wire.key_at(ahead))
        latest = events.order_by("-pk").values_list("occurred_at", flat=True).first()
        zone = timezone.get_default_timezone()
        return rows.aware(latest).astimezone(zone).date() if latest else figures.today()


@admin.register(DeliveryEvent)
class DeliveryEventAdmin(MailEventAdmin):
    list_display = ("occurred", "badge", "mail_of", "about", "why")
    list_filter = (filters.DeliveryStatusFilter, filters.OccurredFilter)
    fieldsets = (
        (None, {"fields": ("badge", "meaning", "answer", "occurred", "received")}),
        (_("Mail"), {"fields": ("whole_mail", "about")}),
        (_("As sent"), {"fields": ("status", "source_ip", "sender_ip", "further", "brought_by")}),
    )

    occurred = base.moment_of(DeliveryEvent, "occurred_at")
    received = base.moment_of(DeliveryEvent, "received_at")

    @admin.display(description=_("status"))
    def badge(self, event: DeliveryEvent) -> SafeString:
        return markup.badge(event.status)


@admin.register(BounceEvent)
class BounceEventAdmin(MailEventAdmin):
    list_display = ("occurred", "badge", "mail_of", "about", "why")
    list_filter = (filters.BounceClassFilter, filters.OccurredFilter)
    fieldsets = (
        (None, {"fields": ("badge", "meaning", "answer", "occurred", "received")}),
        (_("Mail"), {"fields": ("whole_mail", "about")}),
        (_("As sent"), {"fields": ("bounce_code", "further", "brought_by")}),
    )

    occurred = base.moment_of(BounceEvent, "occurred_at")
    received = base.moment_of(BounceEvent, "received_at")

    @admin.display(description=_("status"))
    def badge(self, event: BounceEvent) -> SafeString:
        return markup.badge(BOUNCED)


@admin.register(BlockEvent)
class BlockEventAdmin(BroughtBy):
    list_display = ("occurred", "short_address", "why", "times")
    list_filter = (filters.BounceClassFilter,)
    list_defer = ("raw",)
    search_fields = ("address",)
    search_help_text = _("A whole address.")
    fieldsets = (
        (None, {"fields": ("address", "why", "bounce_code", "times", "occurred", "received")}),
        (_("As sent"), {"fields": ("as_sent", "brought_by")}),
    )

    occurred = base.moment_of(BlockEvent, "occurred_at")
    received = base.moment_of(BlockEvent, "received_at")
    times = base.number_of(BlockEvent, "occurrences")

    @admin.display(description=_("address"))
    def short_address(self, block: BlockEvent) -> str:
        return markup.short(block.address)

    @admin.display(description=_("reason"))
    def why(self, block: BlockEvent) -> SafeString:
        return markup.two_lines(*words.reason_of_code(block.bounce_code))

    @admin.display(description=_("as sent"))
    def as_sent(self, block: BlockEvent) -> SafeString:
        return markup.json_text(block.raw)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        address = wire.normalise_address(search_term)[:ADDRESS_LENGTH]
        return (queryset.filter(address=address) if address else queryset), False
