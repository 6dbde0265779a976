"""Admin of alerts: the list, the messages that were sent, and the action that acknowledges them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from cmc_webhooks import alerts, auth, timezones
from cmc_webhooks.admin import actions, base, filters, markup
from cmc_webhooks.models import Alert

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString


class Acknowledge(actions.Action):
    """Action that acknowledges these alerts, except those acknowledged in the meantime."""

    command = "cmc_alerts"
    conditions = {"acknowledged_at": None}
    title = _("Acknowledge")
    meaning = _(
        "The alerts stay open until their cause is gone. From now on, the days of a rate alert count as usual"
        " days."
    )
    button = _("Yes, acknowledge")
    note = _("Acknowledged.")

    def question(self) -> str:
        count = len(self.chosen)
        return ngettext("Acknowledge %(count)d alert?", "Acknowledge %(count)d alerts?", count) % {
            "count": count
        }

    def details(self) -> list[Any]:
        return actions.named([alert.sentence for alert in self.chosen])

    def do(self) -> actions.ActionResult:
        number = alerts.acknowledge([alert.pk for alert in self.chosen], self.actor)
        text = ngettext("%(count)d alert acknowledged.", "%(count)d alerts acknowledged.", number)
        return actions.ActionResult(text % {"count": number})


@admin.register(Alert)
class AlertAdmin(base.ReadOnlyAdmin):
    actions = ("acknowledge",)
    list_display = ("raised_on", "state_mark", "what", "last_seen_on")
    list_filter = (filters.OpenAlertFilter, filters.AlertKindFilter)
    nothing = _("No alerts. Problems and unusual numbers of refused mails appear here.")
    ordering = ("-raised_at", "-id")
    fieldsets = (
        (None, {"fields": ("what", "state_mark", "kind", "answer")}),
        (None, {"fields": ("raised", "last_seen", "resolved", "acknowledged", "acknowledged_by")}),
        (_("Messages"), {"fields": ("sent_messages",)}),
    )

    raised_on = base.when_of(Alert, "raised_at")
    last_seen_on = base.when_of(Alert, "last_seen_at")
    raised = base.moment_of(Alert, "raised_at")
    last_seen = base.moment_of(Alert, "last_seen_at")
    resolved = base.moment_of(Alert, "resolved_at")
    acknowledged = base.moment_of(Alert, "acknowledged_at")

    @admin.display(description=_("problem"))
    def what(self, alert: Alert) -> str:
        return alert.sentence

    @admin.display(description=_("state"))
    def state_mark(self, alert: Alert) -> SafeString:
        if alert.resolved_at is not None:
            return markup.mark("good", _("resolved"))
        if alert.acknowledged_at is not None:
            return markup.mark("waiting", _("acknowledged"))
        return markup.mark("bad", _("open"))

    @admin.display(description=_("messages"))
    def sent_messages(self, alert: Alert) -> SafeString:
        lines = []
        for message in alert.messages.order_by("created_at", "event", "channel"):
            sent = message.sent_at
            state = gettext("not sent") if sent is None else timezones.format_local(sent)
            lines.append(f"{message}: {state} {message.last_error}".rstrip())
        return markup.preformatted("\n".join(lines))

    @admin.action(description=_("Acknowledge the selected alerts"), permissions=["acknowledge"])
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return Acknowledge.run(self, request, queryset)

    def has_acknowledge_permission(self, request: HttpRequest) -> bool:
        return auth.may(request.user, "cmc_webhooks.acknowledge_alert")
