"""What can be done with chosen rows: counted, confirmed on a page of its own, noted in the admin's log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from cmc_webhooks import durable, erasure, ingest, redeliver, retry, store
from cmc_webhooks.models import RejectedEvent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

    from cmc_webhooks.admin.base import ReadOnlyAdmin

LIMIT = 500
"""Rows of one action. The page that asks holds a field for each, and Django reads 1,000 fields at most."""

PEOPLE = 20
"""Addresses erased at once: each reads the tables as a whole."""

_CONFIRMED = "confirmed"


class Question(NamedTuple):
    """What the page that asks says: a heading, what would be done, what that means, and the button."""

    title: str
    question: str
    meaning: str
    button: str


def redeliver_mails(admin: ReadOnlyAdmin, request: HttpRequest, mails: QuerySet[Any]) -> HttpResponse | None:
    """Owe the signals of these mails again, and send what two seconds allow."""
    chosen = _within_limit(admin, request, mails, "cmc_redeliver")
    if not chosen:
        return None
    using = store.alias()
    events = redeliver.events_of(using, [mail.pk for mail in chosen])
    if _CONFIRMED not in request.POST:
        count = redeliver.count(events)
        return _ask(
            admin,
            request,
            chosen,
            Question(
                title=_("Send signals again"),
                question=ngettext(
                    "Send the signals of %(count)d event again?",
                    "Send the signals of %(count)d events again?",
                    count,
                )
                % {"count": count},
                meaning=_(
                    "Every receiver of this site is called once more for each. The history does not change."
                ),
                button=_("Yes, send them"),
            ),
        )
    try:
        owed = redeliver.redeliver(using, events)
    except durable.Unavailable:
        _sorry(admin, request)
        return None
    _log(request, chosen, [str(mail.message_id or mail.pk) for mail in chosen], _("Signals sent again."))
    ingest.see_to_owed(using)
    text = ngettext("%(count)d signal is sent again.", "%(count)d signals are sent again.", owed)
    admin.message_user(request, text % {"count": owed}, messages.SUCCESS)
    return None


def retry_rejected(admin: ReadOnlyAdmin, request: HttpRequest, events: QuerySet[Any]) -> HttpResponse | None:
    """Read these rejected events again, those that were resolved since left out."""
    chosen = _within_limit(admin, request, events.filter(resolved_at=None), "cmc_retry_rejected")
    if not chosen:
        return None
    if _CONFIRMED not in request.POST:
        count = len(chosen)
        return _ask(
            admin,
            request,
            chosen,
            Question(
                title=_("Read again"),
                question=ngettext(
                    "Read %(count)d rejected event again?", "Read %(count)d rejected events again?", count
                )
                % {"count": count},
                meaning=_(
                    "What can be read now is stored as if it had been read when it came; signals go out."
                ),
                button=_("Yes, read them"),
            ),
        )
    using = store.alias()
    keys = [event.pk for event in chosen]
    try:
        done = retry.retry(using, RejectedEvent._default_manager.using(using).filter(pk__in=keys))
    except durable.Unavailable:
        _sorry(admin, request)
        return None
    _log(request, chosen, [event.error for event in chosen], _("Read again."))
    text = _("%(stored)d stored, %(rejected)d still rejected.")
    admin.message_user(
        request,
        text % {"stored": done.resolved, "rejected": done.rejected},
        messages.WARNING if done.rejected else messages.SUCCESS,
    )
    return None


def erase_people(admin: ReadOnlyAdmin, request: HttpRequest, mails: QuerySet[Any]) -> HttpResponse | None:
    """Erase the personal data of the people whom the chosen mails went to, in all tables."""
    chosen = _within_limit(admin, request, mails.filter(erased_at=None), "cmc_erase")
    people = {mail.address: mail for mail in chosen if erasure.is_address(mail.address)}
    if len(people) > PEOPLE:
        text = _("More than %(limit)d people are too many for this page; %(command)s takes any number.")
        admin.message_user(request, text % {"limit": PEOPLE, "command": "cmc_erase"}, messages.ERROR)
        return None
    if not people:
        if chosen:
            admin.message_user(request, _("There is nothing to do."), messages.WARNING)
        return None
    if _CONFIRMED not in request.POST:
        count = len(people)
        return _ask(
            admin,
            request,
            chosen,
            Question(
                title=_("Erase personal data"),
                question=ngettext(
                    "Erase the personal data of %(count)d person?",
                    "Erase the personal data of %(count)d people?",
                    count,
                )
                % {"count": count},
                meaning=_(
                    "All mails to them lose their texts, not only the chosen ones. This cannot be undone."
                ),
                button=_("Yes, erase it"),
            ),
        )
    try:
        done = [erasure.erase(store.alias(), address) for address in people]
    except durable.Unavailable:
        _sorry(admin, request)
        return None
    _log(request, chosen, [str(mail.pk) for mail in chosen], _("Personal data erased."))
    number = sum(erased.mails for erased in done)
    text = ngettext("%(count)d mail was blanked.", "%(count)d mails were blanked.", number)
    admin.message_user(request, text % {"count": number}, messages.SUCCESS)
    return None


def _within_limit(
    admin: ReadOnlyAdmin, request: HttpRequest, rows: QuerySet[Any], command: str
) -> Sequence[Any]:
    """The chosen rows; none, and a message, if they are none or too many for a page."""
    chosen = list(rows[: LIMIT + 1])
    if not chosen:
        admin.message_user(request, _("There is nothing to do."), messages.WARNING)
    if len(chosen) > LIMIT:
        text = _("More than %(limit)d rows are too many for this page; %(command)s takes any number.")
        admin.message_user(request, text % {"limit": LIMIT, "command": command}, messages.ERROR)
        return []
    return chosen


def _ask(
    admin: ReadOnlyAdmin, request: HttpRequest, chosen: Sequence[Any], question: Question
) -> TemplateResponse:
    request.current_app = admin.admin_site.name
    context = {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "title": question.title,
        "asked": question,
        "keys": [str(row.pk) for row in chosen],
        "action": request.POST["action"],
        "checkbox": ACTION_CHECKBOX_NAME,
        "confirmed": _CONFIRMED,
        "media": admin.media,
    }
    return TemplateResponse(request, "admin/cmc_webhooks/confirm.html", context)


def _sorry(admin: ReadOnlyAdmin, request: HttpRequest) -> None:
    admin.message_user(request, _("The database does not take it now; please try again."), messages.ERROR)


def _log(request: HttpRequest, rows: Sequence[Any], names: Sequence[str], message: str) -> None:
    """A line of the admin's log for each row. Names hold no address: erasing does not reach them there."""
    content_type = ContentType.objects.get_for_model(rows[0])
    LogEntry.objects.bulk_create(
        LogEntry(
            user_id=str(request.user.pk),
            content_type=content_type,
            object_id=str(row.pk),
            object_repr=name[:200],
            action_flag=CHANGE,
            change_message=message,
        )
        for row, name in zip(rows, names, strict=True)
    )
