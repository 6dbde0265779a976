"""Actions for operators: send dead signals again, dismiss them, and dismiss rejected events."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from cmc_webhooks import maintenance
from cmc_webhooks.admin import markup
from cmc_webhooks.admin.actions import Action, ActionResult, named
from cmc_webhooks.admin.signal_calls import described
from cmc_webhooks.models import PendingSignal, RejectedEvent, routing
from cmc_webhooks.models.notifications import IS_OPEN
from cmc_webhooks.reprocessing import dead_signals, rejections


class SendAgain(Action):
    """Action that makes these dead signals pending, and sends as many as possible in two seconds.

    In the deferred mode a worker sends them.
    """

    command = "cmc_redeliver --dead"
    conditions = {"state": PendingSignal.States.DEAD}
    title = _("Send again")
    meaning = _(
        "They become pending again and are due at once. Their attempts start again from zero. Fix the"
        " receiver first: a signal that fails eight more times is dead again."
    )
    button = _("Yes, send them")
    note = _("Dead signals sent again.")
    takes_reason = True

    def question(self) -> str:
        count = dead_signals.number(self.chosen)
        text = ngettext("Send %(count)d dead signal again?", "Send %(count)d dead signals again?", count)
        return text % {"count": count}

    def details(self) -> list[Any]:
        return named(described(self.chosen, self.links))

    def do(self) -> ActionResult:
        sent = dead_signals.send_again(routing.write_alias(), [list(self.chosen)], self.actor)
        text = ngettext(
            "%(count)d signal is being sent again.", "%(count)d signals are being sent again.", sent
        )
        return ActionResult(text % {"count": sent})

    def follow_up(self) -> None:
        maintenance.run_or_wake(routing.write_alias())


class DismissSignals(Action):
    """Action that deletes these dead signals unsent."""

    command = "cmc_dismiss signals"
    conditions = {"state": PendingSignal.States.DEAD}
    title = _("Dismiss")
    meaning = _(
        "They are deleted and will never be sent. The history of their mails does not change, so the signals"
        " of these mails can still be sent again."
    )
    button = _("Yes, dismiss them")
    is_final = True
    note = _("Dead signals dismissed.")
    takes_reason = needs_reason = True

    def question(self) -> str:
        count = dead_signals.number(self.chosen)
        text = ngettext("Dismiss %(count)d dead signal?", "Dismiss %(count)d dead signals?", count)
        return text % {"count": count}

    def details(self) -> list[Any]:
        return named(described(self.chosen, self.links))

    def do(self) -> ActionResult:
        done = dead_signals.dismiss(routing.write_alias(), [list(self.chosen)], self.actor)
        text = ngettext("%(count)d signal dismissed.", "%(count)d signals dismissed.", done)
        return ActionResult(text % {"count": done})


class DismissEvents(Action):
    """Action that dismisses these rejected events, except those that are no longer open. They stay stored."""

    command = "cmc_dismiss events"
    conditions = {"resolved_at": None, "dismissed_at": None}
    title = _("Dismiss")
    meaning = _(
        "They no longer count as a problem. Their text stays stored, so they can still be read again."
    )
    button = _("Yes, dismiss them")
    note = _("Dismissed.")
    takes_reason = needs_reason = True

    def question(self) -> str:
        count = len(self.chosen)
        text = ngettext("Dismiss %(count)d event?", "Dismiss %(count)d events?", count)
        return text % {"count": count}

    def details(self) -> list[Any]:
        return named([f"{event.event_type}: {markup.short(event.error)}" for event in self.chosen])

    def do(self) -> ActionResult:
        using = routing.write_alias()
        chosen = RejectedEvent._default_manager.using(using).filter(IS_OPEN)
        keys = [event.pk for event in self.chosen]
        done = rejections.dismiss(using, chosen.filter(pk__in=keys), self.actor)
        text = ngettext("%(count)d event dismissed.", "%(count)d events dismissed.", done)
        return ActionResult(text % {"count": done})
