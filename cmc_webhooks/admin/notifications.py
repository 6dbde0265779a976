"""Admin of received notifications and of rejected events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from cmc_webhooks import auth
from cmc_webhooks.admin import actions, arrivals, base, filters, markup, timeline, ways_out
from cmc_webhooks.models import Notification, RejectedEvent, Trail

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString


@admin.register(Notification)
class NotificationAdmin(base.ReadOnlyAdmin):
    list_display = (
        *("received_on", "source", "event_type", "server_composition"),
        *("new_events", "repeated_events", "rejected_events"),
    )
    list_filter = (filters.SourceFilter, filters.EventTypeFilter, filters.ReceivedFilter)
    nothing = _("No notification has arrived. If CMC has sent mail, check the webhook in CMC's console.")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("received", "source", "event_type", "server_composition")}),
        (_("Events"), {"fields": ("new_events", "repeated_events", "rejected_events", "brought")}),
    )

    received_on = base.when_of(Notification, "received_at")
    received = base.moment_of(Notification, "received_at")
    new_events = base.number_of(Notification, "new")
    repeated_events = base.number_of(Notification, "repeated")
    rejected_events = base.number_of(Notification, "rejected")

    @admin.display(description=_("new events"))
    def brought(self, notification: Notification) -> SafeString | str:
        """Return the events that the notification brought, with links to those that the user may open."""
        links = getattr(notification, "links", None)
        found = arrivals.events(notification, links) if links else None
        return found or self.get_empty_value_display()

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        notification = super().get_object(request, object_id, from_field)
        if notification is not None:
            notification.links = timeline.Links(self.admin_site, request)  # for `brought`
        return notification


@admin.register(RejectedEvent)
class RejectedEventAdmin(base.ReadOnlyAdmin):
    actions = ("retry", "dismiss")
    list_display = ("received_on", "state", "event_type", "place_and_error", "server_composition")
    list_filter = (filters.ResolvedFilter, filters.EventTypeFilter)
    list_defer = ("raw",)
    nothing = _("Every event could be read. Those that cannot be read appear here.")
    ordering = ("-received_at", "-id")
    fieldsets = (
        (None, {"fields": ("state", "error", "received", "resolved", "dismissed")}),
        (_("As received"), {"fields": ("event_type", "server_composition", "position", "as_sent")}),
    )

    received_on = base.when_of(RejectedEvent, "received_at")
    received = base.moment_of(RejectedEvent, "received_at")
    resolved = base.moment_of(RejectedEvent, "resolved_at")

    @admin.display(description=_("state"))
    def state(self, event: RejectedEvent) -> SafeString:
        if event.resolved_at is not None:
            return markup.mark("good", _("resolved"))
        if event.dismissed_at is not None:
            return markup.mark("waiting", _("dismissed"))
        return markup.mark("delayed", _("open"))

    @admin.display(description=_("dismissed at"))
    def dismissed(self, event: RejectedEvent) -> SafeString | str:
        """Return when it was dismissed, as a link to the record of who did it and why."""
        moment = markup.moment(event.dismissed_at)
        if moment is None:
            return self.get_empty_value_display()
        return markup.link(self.admin_site, Trail, event.dismissal, moment)

    @admin.display(description=_("error"))
    def place_and_error(self, event: RejectedEvent) -> str:
        return markup.short(event.error)

    @admin.display(description=_("as received"))
    def as_sent(self, event: RejectedEvent) -> SafeString:
        return markup.preformatted(event.raw)

    @admin.action(description=_("Read the selected events again"), permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return actions.Retry.run(self, request, queryset)

    @admin.action(description=_("Dismiss the selected events"), permissions=["dismiss"])
    def dismiss(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return ways_out.DismissEvents.run(self, request, queryset)

    def has_dismiss_permission(self, request: HttpRequest) -> bool:
        return auth.may(request.user, "cmc_webhooks.dismiss_rejectedevent")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return auth.may(request.user, "cmc_webhooks.retry_rejectedevent")
