"""The events as they came in, each tied to its mail; blocks, which belong to none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from cmc_webhooks import wire
from cmc_webhooks.admin import base, filters, markup, search, words
from cmc_webhooks.models import BlockEvent, BounceEvent, DeliveryEvent, Mail, Notification
from cmc_webhooks.querysets import ADDRESS_LENGTH
from cmc_webhooks.status import BOUNCED

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString
    from django_stubs_ext import StrOrPromise


class EventAdmin(base.ReadOnlyAdmin):
    """What all kinds of events show of themselves."""

    ordering = ("-id",)

    @admin.display(description=_("notification"))
    def brought_by(self, event: Any) -> StrOrPromise:
        """The notification may have been pruned, which leaves its key in the event."""
        if not base.kept_notifications([event], event._state.db):
            return _("no longer kept")
        return markup.link(self.admin_site, Notification, event.notification_id, event.notification_id)


class MailEventAdmin(EventAdmin):
    """What deliveries and bounces share."""

    list_select_related = ("mail",)
    search_fields = search.SEARCH_FIELDS
    search_help_text = _("A whole message id, a whole address, or a whole API data value.")

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
        meant = search.mails_meant(Mail.objects.using(queryset.db), search_term)
        return (queryset if meant is None else queryset.filter(mail__in=meant)), False


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
class BlockEventAdmin(EventAdmin):
    list_display = ("occurred", "short_address", "why", "occurrences")
    list_filter = (filters.BounceClassFilter,)
    list_defer = ("raw",)
    search_fields = ("address",)
    search_help_text = _("A whole address.")
    fieldsets = (
        (None, {"fields": ("address", "why", "bounce_code", "occurrences", "occurred", "received")}),
        (_("As sent"), {"fields": ("as_sent", "brought_by")}),
    )

    occurred = base.moment_of(BlockEvent, "occurred_at")
    received = base.moment_of(BlockEvent, "received_at")

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
