"""What came in and what is still owed: notifications, rejected events, pending signals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from cmc_webhooks import rows
from cmc_webhooks.admin import actions, base, filters, markup
from cmc_webhooks.models import Notification, PendingSignal, RejectedEvent

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString


@admin.register(Notification)
class NotificationAdmin(base.ReadOnlyAdmin):
    list_display = (
        *("received", "source", "event_type", "server_composition"),
        *("new_events", "repeated_events", "rejected_events"),
    )
    list_filter = (filters.SourceFilter, filters.EventTypeFilter, filters.ReceivedFilter)
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("received", "source", "event_type", "server_composition")}),
        (_("Events"), {"fields": ("new_events", "repeated_events", "rejected_events")}),
    )

    received = base.moment_of(Notification, "received_at")
    new_events = base.number_of(Notification, "new")
    repeated_events = base.number_of(Notification, "repeated")
    rejected_events = base.number_of(Notification, "rejected")


@admin.register(RejectedEvent)
class RejectedEventAdmin(base.ReadOnlyAdmin):
    actions = ("retry",)
    list_display = ("received", "state", "event_type", "place_and_error", "server_composition")
    list_filter = (filters.ResolvedFilter, filters.EventTypeFilter)
    list_defer = ("raw",)
    ordering = ("-received_at", "-id")
    fieldsets = (
        (None, {"fields": ("state", "error", "received", "resolved")}),
        (_("As sent"), {"fields": ("event_type", "server_composition", "position", "as_sent")}),
    )

    received = base.moment_of(RejectedEvent, "received_at")
    resolved = base.moment_of(RejectedEvent, "resolved_at")

    @admin.display(description=_("state"))
    def state(self, event: RejectedEvent) -> SafeString:
        if event.resolved_at is None:
            return markup.mark("delayed", _("open"))
        return markup.mark("good", _("resolved"))

    @admin.display(description=_("error"))
    def place_and_error(self, event: RejectedEvent) -> str:
        return markup.short(event.error)

    @admin.display(description=_("as sent"))
    def as_sent(self, event: RejectedEvent) -> SafeString:
        return markup.preformatted(event.raw)

    @admin.action(description=_("Read the chosen events again"), permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return actions.Retry.run(self, request, queryset)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("cmc_webhooks.retry_rejectedevent")


@admin.register(PendingSignal)
class PendingSignalAdmin(base.ReadOnlyAdmin):
    list_display = ("available", "state_mark", "calls", "tries", "last_error")
    list_filter = (filters.StateFilter,)
    ordering = ("available_at", "id")
    fieldsets = (
        (None, {"fields": ("state_mark", "available", "tries", "last_error")}),
        (_("Signals"), {"fields": ("calls", "whole_calls")}),
    )

    tries = base.number_of(PendingSignal, "attempts")

    @admin.display(description=_("state"))
    def state_mark(self, pending: PendingSignal) -> SafeString:
        tone = "bad" if pending.state == PendingSignal.States.DEAD else "waiting"
        return markup.mark(tone, pending.get_state_display())

    @admin.display(description=_("available at"))
    def available(self, pending: PendingSignal) -> SafeString | str | None:
        """Milliseconds as a time; as the number where no calendar reaches."""
        try:
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=pending.available_at)
            return markup.moment(rows.stored(moment))
        except OverflowError:
            return str(pending.available_at)

    @admin.display(description=_("number of signals"))
    def calls(self, pending: PendingSignal) -> SafeString:
        return markup.headed(_("number of signals"), len(pending.items))

    @admin.display(description=_("signals"))
    def whole_calls(self, pending: PendingSignal) -> SafeString:
        return markup.json_text(pending.facts)
