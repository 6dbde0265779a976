"""What can be done with chosen rows: counted, confirmed on a page of its own, noted in the admin's log."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.template.response import TemplateResponse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from cmc_webhooks import durable, erasure, ingest, redeliver, retry, store, wire
from cmc_webhooks.models import RejectedEvent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django_stubs_ext import StrOrPromise

    from cmc_webhooks.admin.base import ReadOnlyAdmin

LIMIT = 500
"""Rows of one action. The page that asks holds a field for each, and Django reads 1,000 fields at most."""

PEOPLE = 20
"""Addresses erased at once: each reads the tables as a whole."""

_CONFIRMED = "confirmed"


class Told(NamedTuple):
    """What is said above the list afterwards, and one of Django's levels of messages."""

    text: StrOrPromise
    level: int = messages.SUCCESS


NOTHING = Told(_("There is nothing to do."), messages.WARNING)
AWAY = Told(_("The database does not take it now; please try again."), messages.ERROR)


class Action(ABC):
    """An action on chosen rows. `run` takes the steps; a kind of action says what is its own in them."""

    command: ClassVar[str]
    """What takes any number of rows."""
    conditions: ClassVar[Mapping[str, Any]] = {}
    """Which of the rows it is for."""
    title: ClassVar[StrOrPromise]
    """The page that asks: its heading, then what that means, and the button."""
    meaning: ClassVar[StrOrPromise]
    button: ClassVar[StrOrPromise]
    is_final: ClassVar[bool] = False
    """Whether it cannot be undone."""
    note: ClassVar[StrOrPromise]
    """What the admin's log says of each row."""

    def __init__(self, chosen: Sequence[Any]) -> None:
        self.chosen = chosen

    @classmethod
    def run(cls, admin: ReadOnlyAdmin, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        """The page that asks; None, and a message above the list, if it was done or cannot be."""
        answer = cls._answer(admin, request, list(rows.filter(**cls.conditions)[: LIMIT + 1]))
        if isinstance(answer, Told):
            admin.message_user(request, answer.text, answer.level)
            return None
        return answer

    @classmethod
    def _answer(
        cls, admin: ReadOnlyAdmin, request: HttpRequest, chosen: Sequence[Any]
    ) -> HttpResponse | Told:
        if len(chosen) > LIMIT:
            text = gettext(
                "More than %(limit)d rows are too many for this page; %(command)s takes any number."
            )
            return Told(text % {"limit": LIMIT, "command": cls.command}, messages.ERROR)
        action = cls(chosen)
        if refusal := action.refusal():
            return refusal
        if _CONFIRMED not in request.POST:
            return _ask(admin, request, action)
        try:
            told = action.do()
        except durable.Unavailable:
            return AWAY
        _log(request, action)
        action.follow_up()
        return told

    def refusal(self) -> Told | None:
        """Why it is not done with these rows."""
        return None if self.chosen else NOTHING

    @abstractmethod
    def question(self) -> str:
        """What is asked, with a number."""

    @abstractmethod
    def do(self) -> Told:
        """Do it, and say what was done.

        Raises:
            durable.Unavailable: the database does not take it.
        """

    def name(self, row: Any) -> str:
        """What the log calls a row. Never an address: erasing does not reach it there."""
        return str(row.pk)

    def follow_up(self) -> None:  # noqa: B027 - only some have anything to do here
        """What comes of it, once it is noted."""


class Redeliver(Action):
    """Owe the signals of these mails again, and send what two seconds allow."""

    command = "cmc_redeliver"
    title = _("Send signals again")
    meaning = _("Every receiver of this site is called once more for each. The history does not change.")
    button = _("Yes, send them")
    note = _("Signals sent again.")

    def __init__(self, chosen: Sequence[Any]) -> None:
        super().__init__(chosen)
        self.events = redeliver.events_of(store.alias(), [mail.pk for mail in chosen])

    def question(self) -> str:
        count = redeliver.count(self.events)
        text = ngettext(
            "Send the signals of %(count)d event again?", "Send the signals of %(count)d events again?", count
        )
        return text % {"count": count}

    def do(self) -> Told:
        owed = redeliver.redeliver(store.alias(), self.events)
        text = ngettext("%(count)d signal is sent again.", "%(count)d signals are sent again.", owed)
        return Told(text % {"count": owed})

    def name(self, row: Any) -> str:
        return str(row.message_id or row.pk)

    def follow_up(self) -> None:
        ingest.see_to_owed(store.alias())


class Retry(Action):
    """Read these rejected events again, those that were resolved since left out."""

    command = "cmc_retry_rejected"
    conditions = {"resolved_at": None}
    title = _("Read again")
    meaning = _("What can be read now is stored as if it had been read when it came; signals go out.")
    button = _("Yes, read them")
    note = _("Read again.")

    def question(self) -> str:
        count = len(self.chosen)
        text = ngettext(
            "Read %(count)d rejected event again?", "Read %(count)d rejected events again?", count
        )
        return text % {"count": count}

    def do(self) -> Told:
        using = store.alias()
        keys = [event.pk for event in self.chosen]
        done = retry.retry(using, RejectedEvent._default_manager.using(using).filter(pk__in=keys))
        text = gettext("%(stored)d stored, %(rejected)d still rejected.")
        level = messages.WARNING if done.rejected else messages.SUCCESS
        return Told(text % {"stored": done.resolved, "rejected": done.rejected}, level)

    def name(self, row: Any) -> str:
        return str(row.error)


class Erase(Action):
    """Erase the personal data of the people whom the chosen mails went to, in all tables."""

    command = "cmc_erase"
    conditions = {"erased_at": None}
    title = _("Erase personal data")
    meaning = _("All mails to them lose their texts, not only the chosen ones. This cannot be undone.")
    button = _("Yes, erase it")
    is_final = True
    note = _("Personal data erased.")

    def __init__(self, chosen: Sequence[Any]) -> None:
        super().__init__(chosen)
        whole = (wire.normalise_address(mail.recipient) for mail in chosen)  # `address` may be cut
        self.people = {address for address in whole if erasure.is_address(address)}

    def refusal(self) -> Told | None:
        if len(self.people) > PEOPLE:
            text = gettext(
                "More than %(limit)d people are too many for this page; %(command)s takes any number."
            )
            return Told(text % {"limit": PEOPLE, "command": self.command}, messages.ERROR)
        return None if self.people else NOTHING

    def question(self) -> str:
        count = len(self.people)
        text = ngettext(
            "Erase the personal data of %(count)d person?",
            "Erase the personal data of %(count)d people?",
            count,
        )
        return text % {"count": count}

    def do(self) -> Told:
        number = sum(erasure.erase(address).mails for address in sorted(self.people))
        text = ngettext("%(count)d mail was blanked.", "%(count)d mails were blanked.", number)
        return Told(text % {"count": number})


def _ask(admin: ReadOnlyAdmin, request: HttpRequest, action: Action) -> TemplateResponse:
    request.current_app = admin.admin_site.name
    context = {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "title": action.title,
        "asked": action,
        "question": action.question(),
        "keys": [str(row.pk) for row in action.chosen],
        "action": request.POST["action"],
        "checkbox": ACTION_CHECKBOX_NAME,
        "confirmed": _CONFIRMED,
        "media": admin.media,
    }
    return TemplateResponse(request, "admin/cmc_webhooks/confirm.html", context)


def _log(request: HttpRequest, action: Action) -> None:
    """A line of the admin's log for each row."""
    content_type = ContentType.objects.get_for_model(action.chosen[0])
    LogEntry.objects.bulk_create(
        LogEntry(
            user_id=str(request.user.pk),
            content_type=content_type,
            object_id=str(row.pk),
            object_repr=action.name(row)[:200],
            action_flag=CHANGE,
            change_message=str(action.note),
        )
        for row in action.chosen
    )
