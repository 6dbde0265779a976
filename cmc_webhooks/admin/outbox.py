"""Admin of the outbox: pending signals, and dead ones, which can be sent again or dismissed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from cmc_webhooks import auth, timezones
from cmc_webhooks.admin import base, filters, markup, receivers, signal_calls, timeline, ways_out
from cmc_webhooks.models import PendingSignal

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString


@admin.register(PendingSignal)
class PendingSignalAdmin(base.ReadOnlyAdmin):
    actions = ("send_again", "dismiss")
    list_display = ("available_on", "state_mark", "calls", "tries", "last_error")
    list_filter = (filters.StateFilter,)
    nothing = _("All signals have been sent. Those not sent yet appear here.")
    ordering = ("available_at", "id")
    fieldsets = (
        (None, {"fields": ("state_mark", "available", "tries", "last_error", "failed_receivers")}),
        (_("Signals"), {"fields": ("calls", "is_replay", "about")}),
        (_("Details"), {"fields": ("whole_calls",), "classes": ("collapse",)}),
    )

    tries = base.number_of(PendingSignal, "attempts")

    @admin.display(description=_("state"))
    def state_mark(self, pending: PendingSignal) -> SafeString:
        tone = "bad" if pending.state == PendingSignal.States.DEAD else "waiting"
        return markup.mark(tone, pending.get_state_display())

    @admin.display(description=_("available at"))
    def available_on(self, pending: PendingSignal) -> SafeString | str | None:
        moment = _available(pending)
        return str(pending.available_at) if moment is None else markup.when(moment)

    @admin.display(description=_("available at"))
    def available(self, pending: PendingSignal) -> SafeString | str | None:
        moment = _available(pending)
        return str(pending.available_at) if moment is None else markup.moment(moment)

    @admin.display(description=_("failed receivers"))
    def failed_receivers(self, pending: PendingSignal) -> SafeString | str:
        return receivers.failed(pending) or self.get_empty_value_display()

    @admin.display(description=_("sent again by a person"), boolean=True)
    def is_replay(self, pending: PendingSignal) -> bool:
        return pending.replay

    @admin.display(description=_("number of signals"))
    def calls(self, pending: PendingSignal) -> SafeString:
        return markup.headed(_("number of signals"), len(pending.items))

    @admin.display(description=_("signals"))
    def about(self, pending: PendingSignal) -> SafeString:
        """Return the calls with links to their events and mails."""
        lines = signal_calls.described([pending], getattr(pending, "links", None))
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", ((line,) for line in lines)))

    @admin.display(description=_("as stored"))
    def whole_calls(self, pending: PendingSignal) -> SafeString:
        return markup.json_text(pending.facts)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        pending = super().get_object(request, object_id, from_field)
        if pending is not None:
            pending.links = timeline.Links(self.admin_site, request)  # for `about`
        return pending

    @admin.action(description=_("Send the selected dead signals again"), permissions=["redeliver"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return ways_out.SendAgain.run(self, request, queryset)

    @admin.action(description=_("Dismiss the selected dead signals"), permissions=["dismiss"])
    def dismiss(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return ways_out.DismissSignals.run(self, request, queryset)

    def has_redeliver_permission(self, request: HttpRequest) -> bool:
        return auth.may(request.user, "cmc_webhooks.redeliver_pendingsignal")

    def has_dismiss_permission(self, request: HttpRequest) -> bool:
        return auth.may(request.user, "cmc_webhooks.dismiss_pendingsignal")


def _available(pending: PendingSignal) -> datetime | None:
    """Return when a signal may be sent; None if the time is beyond the calendar."""
    try:
        return timezones.to_stored(
            datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=pending.available_at)
        )
    except OverflowError:
        return None
