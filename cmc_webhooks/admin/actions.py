"""Actions on selected rows: counted, confirmed on a separate page, recorded in the admin's log."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.template.response import TemplateResponse
from django.utils.translation import gettext, ngettext, pgettext
from django.utils.translation import gettext_lazy as _

from cmc_webhooks import audit, erasure, maintenance, wire
from cmc_webhooks.admin import markup, timeline
from cmc_webhooks.db import transactions
from cmc_webhooks.erasure import blanking
from cmc_webhooks.models import RejectedEvent, Trail, routing
from cmc_webhooks.reprocessing import redeliver, rejections

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django_stubs_ext import StrOrPromise

    from cmc_webhooks.admin.base import ReadOnlyAdmin

LIMIT = 500
"""Maximum rows per action. The confirmation page has a field for each, and Django reads at most 1,000."""

NAMED = 20
"""Maximum lines that a confirmation page shows."""

PEOPLE = 20
"""Maximum addresses erased at once. Each one reads whole tables."""

_CONFIRMED = "confirmed"


class ActionResult(NamedTuple):
    """The message shown above the list afterwards, and its Django message level."""

    text: StrOrPromise
    level: int = messages.SUCCESS


NOTHING = ActionResult(_("Nothing is selected that this action applies to."), messages.WARNING)
UNAVAILABLE = ActionResult(_("The database is unavailable. Please try again."), messages.ERROR)


class Action(ABC):
    """An action on selected rows. `run` performs the steps; subclasses define the parts that differ."""

    command: ClassVar[str]
    """The management command that takes any number of rows."""
    conditions: ClassVar[Mapping[str, Any]] = {}
    """Filter conditions for the rows that the action applies to."""
    title: ClassVar[StrOrPromise]
    """The heading of the confirmation page. `meaning` explains the action, `button` labels its button."""
    meaning: ClassVar[StrOrPromise]
    button: ClassVar[StrOrPromise]
    is_final: ClassVar[bool] = False
    """True if the action cannot be undone."""
    note: ClassVar[StrOrPromise]
    """The text in the admin's log for each row."""
    takes_reason: ClassVar[bool] = False
    """True if the confirmation page asks for a reason, which the trail keeps."""
    needs_reason: ClassVar[bool] = False

    def __init__(self, chosen: Sequence[Any]) -> None:
        self.chosen = chosen
        self.actor = audit.Actor(Trail.Ways.ADMIN)
        self.links: timeline.Links | None = None
        """Links for the user who asks."""

    @classmethod
    def run(cls, admin: ReadOnlyAdmin, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        """Return the confirmation page; None, with a message above the list, if it was done or cannot be."""
        rows = rows.using(routing.write_alias()).filter(**cls.conditions)  # no copy that lags
        answer = cls._answer(admin, request, list(rows[: LIMIT + 1]))
        if isinstance(answer, ActionResult):
            admin.message_user(request, answer.text, answer.level)
            return None
        return answer

    @classmethod
    def _answer(
        cls, admin: ReadOnlyAdmin, request: HttpRequest, chosen: Sequence[Any]
    ) -> HttpResponse | ActionResult:
        if len(chosen) > LIMIT:
            text = gettext("At most %(limit)d rows at once. For more, use %(command)s.")
            return ActionResult(text % {"limit": LIMIT, "command": cls.command}, messages.ERROR)
        action = cls(chosen)
        reason = request.POST.get("reason", "").strip() if cls.takes_reason else ""
        action.actor = action.actor._replace(who=audit.user_key(request.user), reason=reason)
        action.links = timeline.Links(admin.admin_site, request)
        if refusal := action.refusal():
            return refusal
        if _CONFIRMED not in request.POST:
            return _ask(admin, request, action)
        if cls.needs_reason and not reason:
            return _ask(admin, request, action, is_reason_missing=True)
        try:
            result = action.do()
        except transactions.Unavailable:
            return UNAVAILABLE
        log(request, action.chosen, action.note)
        action.follow_up()
        return result

    def refusal(self) -> ActionResult | None:
        """Return why the action refuses these rows; None if it accepts them."""
        return None if self.chosen else NOTHING

    @abstractmethod
    def question(self) -> str:
        """Return the question to confirm. Its numbers are those of the result."""

    def details(self) -> list[Any]:
        """Return a line for each thing that the question is about; an empty list if it names them."""
        return []

    @abstractmethod
    def do(self) -> ActionResult:
        """Perform the action and return a message with the result.

        Raises:
            transactions.Unavailable: the database is unavailable.
        """

    def follow_up(self) -> None:  # noqa: B027 - only some actions have follow-up work
        """Start the follow-up work, after the action is logged."""


class Redeliver(Action):
    """Action that enqueues the signals of these mails again and sends as many as two seconds allow.

    In the deferred mode a worker sends them.
    """

    command = "cmc_redeliver"
    title = _("Send signals again")
    meaning = _(
        "Every receiver of this site is called once more for each event. The history does not change."
        " Signals of these events that are dead are sent again too."
    )
    button = _("Yes, send them")
    note = _("Signals sent again.")

    def __init__(self, chosen: Sequence[Any]) -> None:
        super().__init__(chosen)
        self.events = redeliver.events_of(routing.write_alias(), [mail.pk for mail in chosen])

    def question(self) -> str:
        text = gettext("Send these signals again? %(numbers)s")
        return text % {"numbers": _numbers(redeliver.count(self.events))}

    def details(self) -> list[Any]:
        return named([markup.short(f"{mail.recipient} {mail.subject}".strip()) for mail in self.chosen])

    def do(self) -> ActionResult:
        enqueued = redeliver.redeliver(routing.write_alias(), self.events, actor=self.actor)
        return ActionResult(gettext("Sent again: %(numbers)s") % {"numbers": _numbers(enqueued)})

    def follow_up(self) -> None:
        maintenance.run_or_wake(routing.write_alias())


def _numbers(found: redeliver.Redelivered) -> str:
    """Return the numbers of events and signals as text."""
    events = ngettext("%(count)d event", "%(count)d events", found.events) % {"count": found.events}
    signals = ngettext("%(count)d signal", "%(count)d signals", found.signals) % {"count": found.signals}
    return gettext("%(events)s, %(signals)s") % {"events": events, "signals": signals}


class Retry(Action):
    """Action that reads these rejected events again, except those resolved in the meantime."""

    command = "cmc_retry_rejected"
    conditions = {"resolved_at": None}
    title = _("Read again")
    meaning = _(
        "Events that can be read now are stored with their original time of receipt. Signals are sent."
    )
    button = _("Yes, read them")
    note = _("Read again.")

    def question(self) -> str:
        count = len(self.chosen)
        text = ngettext("Read %(count)d event again?", "Read %(count)d events again?", count)
        return text % {"count": count}

    def details(self) -> list[Any]:
        return named([f"{event.event_type}: {markup.short(event.error)}" for event in self.chosen])

    def do(self) -> ActionResult:
        using = routing.write_alias()
        keys = [event.pk for event in self.chosen]
        done = rejections.retry(using, RejectedEvent._default_manager.using(using).filter(pk__in=keys))
        text = gettext("%(stored)d stored, %(rejected)d still cannot be read.")
        level = messages.WARNING if done.rejected else messages.SUCCESS
        return ActionResult(text % {"stored": done.resolved, "rejected": done.rejected}, level)


class Erase(Action):
    """Action that erases the personal data of the recipients of the selected mails, in all tables."""

    command = "cmc_erase"
    conditions = {"erased_at": None}
    title = _("Erase personal data")
    meaning = _(
        "The texts of all mails to these recipients are erased, not only of the selected mails."
        " So are other texts that name them."
    )
    button = _("Yes, erase it")
    is_final = True
    note = _("Personal data erased.")

    def __init__(self, chosen: Sequence[Any]) -> None:
        super().__init__(chosen)
        whole = (wire.canonical_mailbox(mail.recipient) for mail in chosen)  # `address` may be truncated
        self.people = {address for address in whole if blanking.is_address(address)}

    def refusal(self) -> ActionResult | None:
        if len(self.people) > PEOPLE:
            text = gettext("At most %(limit)d people at once. For more, use %(command)s.")
            return ActionResult(text % {"limit": PEOPLE, "command": self.command}, messages.ERROR)
        return None if self.people else NOTHING

    def question(self) -> str:
        people = []
        for address in sorted(self.people):
            count = blanking.count_mails(address)
            text = ngettext("%(address)s (%(count)d mail)", "%(address)s (%(count)d mails)", count)
            people.append(text % {"address": address, "count": count})
        text = gettext("This erases the personal data of: %(people)s. It cannot be undone.")
        return text % {"people": pgettext("between addresses", ", ").join(people)}

    def do(self) -> ActionResult:
        erased = [erasure.erase(address, actor=self.actor) for address in sorted(self.people)]
        number = sum(each.mails for each in erased)
        refused = sum(each.refused for each in erased)
        text = ngettext(
            "The texts of %(count)d mail were erased.", "The texts of %(count)d mails were erased.", number
        ) % {"count": number}
        if not refused:
            return ActionResult(text)
        rest = ngettext(
            "The database refused to change %(count)d row.",
            "The database refused to change %(count)d rows.",
            refused,
        )
        return ActionResult(f"{text} {rest % {'count': refused}}", messages.WARNING)


def named(lines: list[Any]) -> list[Any]:
    """Return the first lines, and how many others there are."""
    if len(lines) <= NAMED:
        return lines
    text = ngettext("and %(count)d more", "and %(count)d more", len(lines) - NAMED)
    return [*lines[:NAMED], text % {"count": len(lines) - NAMED}]


def _ask(
    admin: ReadOnlyAdmin, request: HttpRequest, action: Action, *, is_reason_missing: bool = False
) -> TemplateResponse:
    request.current_app = admin.admin_site.name
    context = {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "title": action.title,
        "asked": action,
        "question": action.question(),
        "details": action.details(),
        "is_reason_missing": is_reason_missing,
        "longest_reason": Trail._meta.get_field("reason").max_length,
        "keys": [str(row.pk) for row in action.chosen],
        "action": request.POST["action"],
        "checkbox": ACTION_CHECKBOX_NAME,
        "confirmed": _CONFIRMED,
        "media": admin.media,
    }
    return TemplateResponse(request, "admin/cmc_webhooks/confirm.html", context)


def log(request: HttpRequest, rows: Sequence[Any], note: StrOrPromise) -> None:
    """Add an entry to the admin's log for each row, with its key alone. Erasure does not reach the log."""
    content_type = ContentType.objects.get_for_model(rows[0])
    LogEntry.objects.bulk_create(
        LogEntry(
            user_id=str(request.user.pk),
            content_type=content_type,
            object_id=str(row.pk),
            object_repr=str(row.pk),
            action_flag=CHANGE,
            change_message=str(note),
        )
        for row in rows
    )
