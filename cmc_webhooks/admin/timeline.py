"""Content of a mail's page: its current status and all its events, prepared for the template."""

from __future__ import annotations

import json
import logging
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from django.db.models import Model
from django.utils.translation import gettext as _

from cmc_webhooks import history, logs, wire
from cmc_webhooks.admin import base, labels, markup, verdicts
from cmc_webhooks.conf import app_settings
from cmc_webhooks.db import transactions
from cmc_webhooks.models import BounceEvent, DeliveryEvent, Notification
from cmc_webhooks.status import BOUNCED, DeliveryStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.admin import AdminSite
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    from cmc_webhooks.models import Mail

logger = logging.getLogger(__name__)

FEWEST_FOLDED = 3
"""Deferrals in a row that are shown as one."""
OTHERS = 10
"""Maximum other mails of each kind on a mail's page."""
MOST_RECIPIENTS = 200
"""Other recipients of a message that are read, sorted and counted."""
_FIRST = (BOUNCED, DeliveryStatus.FAILED, DeliveryStatus.DEFERRED, DeliveryStatus.QUEUED)
"""Statuses of other recipients that are shown first, in this order; those who have the mail come last."""


class Summary(NamedTuple):
    """The current status of a mail."""

    tone: str
    badge: SafeString
    moment: SafeString | None
    headline: str
    meanings: list[str]
    answer: str
    advice: str
    statement: verdicts.Statement | None
    code: str


class Other(NamedTuple):
    """Another mail: to another recipient of the same message, or to the same address."""

    badge: SafeString
    link: SafeString
    moment: SafeString | None


class Others(NamedTuple):
    """Some other mails, and the URL of the list with all of them if there are more.

    `number` is how many there are, as text; "" if they were not counted.
    """

    mails: list[Other]
    more: str
    number: str = ""


class Entry(NamedTuple):
    """One event of a timeline."""

    tone: str
    badge: SafeString
    moment: SafeString | None
    gap: str
    words: str
    meaning: str
    code: str
    answer: str
    facts: list[tuple[str, str]]
    links: list[SafeString]
    folded: tuple[Any, ...] = ()
    """Entries that this one stands for."""


class Links:
    """Links to the pages that this user may open."""

    def __init__(self, site: AdminSite, request: HttpRequest) -> None:
        self._site = site
        self._request = request

    def to(self, model: type[Model], key: Any, text: str) -> list[SafeString]:
        """Return a list of one link, empty if the user cannot open the page."""
        return [markup.link(self._site, model, key, text)] if self.may_view(model) else []

    def to_row(self, row: Model) -> list[SafeString]:
        """Return a list of one link to a row of the project's, empty if the user may not view this row."""
        model = type(row)
        return [markup.link(self._site, model, row.pk, str(row))] if self.may_view(model, row) else []

    def may_view(self, model: type[Model], row: Model | None = None) -> bool:
        """Return whether the user can open pages of this model, or the page of this row."""
        if not self._site.is_registered(model):
            return False
        return self._site.get_model_admin(model).has_view_permission(self._request, row)


def summary(mail: Mail, offered: verdicts.AddressLinks) -> Summary:
    """Return the summary at the top of a mail's page, with the verdict on its address; one query."""
    reason = labels.reason_of_mail(mail)
    if waiting := labels.waiting(mail):
        reason = labels.Reason(waiting, "")
    explained, held = verdicts.ask(mail.recipient)
    composition = mail.server_composition
    is_stopped = verdicts.stops(explained.reasons, composition)
    texts = [text for text in (*_beside_badge(reason, mail.status), labels.before_bounce(mail)) if text]
    return Summary(
        tone=markup.tone(mail.status),
        badge=markup.badge(mail.status),
        moment=markup.moment(mail.status_at),
        headline=texts[0] if texts else "",
        meanings=texts[1:],
        answer=mail.reason,
        advice=verdicts.advice(
            mail, is_stopped=is_stopped, is_at_cmc=any(each.composition == composition for each in held)
        ),
        statement=(
            offered.statement(mail.recipient, explained, held, composition)
            if verdicts.is_address(mail.recipient)
            else None
        ),
        code=mail.bounce_code,
    )


def related(mail: Mail, links: Links) -> list[SafeString]:
    """Return a list of one link to the project's related object.

    The list is empty if there is no such object, or the user may not view it.
    """
    if app_settings.raw("RELATED_OBJECT") is None or not mail.api_data:
        return []
    try:
        with transactions.savepoints(in_tests=True):
            found = mail.related_object
            return links.to_row(found) if isinstance(found, Model) else []
    except Exception as error:  # the project's code: history is shown whatever it raises
        if transactions.is_broken():
            raise
        logger.exception(
            "RELATED_OBJECT raised",
            exc_info=logs.without_text(error),
            extra={"cmc_event": "related_failed"},
        )
        return []


def entries(mail: Mail, links: Links) -> list[Entry]:
    """Return the deliveries and bounces of a mail, oldest first, with three queries.

    The server's answer that the summary shows is not repeated. Deferrals in a row are one entry.
    """
    events = history.timeline(mail)
    kept = base.kept_notifications(events, mail._state.db)
    earlier = [None, *events]
    shown = [
        (event, _entry(mail, event, before, links, has_notification=event.notification_id in kept))
        for before, event in zip(earlier, events, strict=False)
    ]
    return [entry for _is_deferred, group in groupby(shown, _is_deferral) for entry in _folded(list(group))]


def _is_deferral(shown: tuple[DeliveryEvent | BounceEvent, Entry]) -> bool:
    event = shown[0]
    return isinstance(event, DeliveryEvent) and event.status == DeliveryStatus.DEFERRED


def _folded(group: list[tuple[DeliveryEvent | BounceEvent, Entry]]) -> list[Entry]:
    """Return the entries of a group, as one entry if they are many deferrals in a row."""
    entries = [entry for _event, entry in group]
    if len(group) < FEWEST_FOLDED or not _is_deferral(group[0]):
        return entries
    words = labels.deferred([event for event, _entry in group])
    first = entries[0]._replace(words=words, meaning="", answer=entries[-1].answer, facts=[], links=[])
    return [first._replace(folded=tuple(entries))]


def same_message(mail: Mail, links: Links, search: str) -> Others:
    """Return the mails to other recipients of the same message: not delivered first, then by address.

    `search` is the URL of the list of mails.
    """
    found = history.other_recipients(mail, MOST_RECIPIENTS + 1)
    number = f"{MOST_RECIPIENTS}+" if len(found) > MOST_RECIPIENTS else str(len(found) or "")
    found.sort(key=_by_status)
    others = [_other(each, links, each.recipient) for each in found[:OTHERS]]
    return Others(others, _search(search, mail.message_id) if len(found) > OTHERS else "", number)


def _by_status(mail: Mail) -> tuple[int, str]:
    is_last = mail.status == DeliveryStatus.SUCCEEDED
    return _FIRST.index(mail.status) if mail.status in _FIRST else len(_FIRST) + is_last, mail.address


def same_address(mail: Mail, links: Links, search: str) -> Others:
    """Return the latest other mails to the same address."""
    found = history.other_mails(mail, OTHERS + 1)
    more = _search(search, mail.address) if len(found) > OTHERS else ""
    return Others([to_mail(each, links) for each in found[:OTHERS]], more)


def to_mail(mail: Mail, links: Links) -> Other:
    """Return a mail by its subject."""
    return _other(mail, links, mail.subject or mail.message_id)


def _search(address: str, text: str) -> str:
    return f"{address}?{urlencode({'q': text})}"


def _other(mail: Mail, links: Links, text: str) -> Other:
    link = links.to(type(mail), mail.pk, markup.short(text) or "–")
    return Other(markup.badge(mail.status), link[0], markup.moment(mail.status_at))


def _entry(
    mail: Mail,
    event: DeliveryEvent | BounceEvent,
    before: DeliveryEvent | BounceEvent | None,
    links: Links,
    *,
    has_notification: bool,
) -> Entry:
    bounced = isinstance(event, BounceEvent)
    status = BOUNCED if isinstance(event, BounceEvent) else event.status
    own = links.to(type(event), event.pk, _("bounce") if bounced else _("delivery event"))
    notification = links.to(Notification, event.notification_id, _("webhook notification"))
    said, meaning = _beside_badge(labels.reason_of_event(event, mail.bounce_code), status)
    return Entry(
        tone=markup.tone(status),
        badge=markup.badge(status),
        moment=markup.moment(event.occurred_at),
        gap=labels.gap((event.occurred_at - before.occurred_at).total_seconds()) if before else "",
        words=said,
        meaning=meaning,
        code=event.bounce_code if isinstance(event, BounceEvent) else "",
        answer="" if event.reason == mail.reason else event.reason,
        facts=list(_facts(event)),
        links=own + (notification if has_notification else []),
    )


def _beside_badge(reason: labels.Reason, status: str) -> labels.Reason:
    """Return the reason without the words that the status's badge already shows."""
    return reason._replace(words="") if reason.words == labels.status_word(status) else reason


def _facts(event: DeliveryEvent | BounceEvent) -> Iterable[tuple[str, str]]:
    if isinstance(event, DeliveryEvent):
        if event.source_ip:
            yield _("source IP (you to CMC)"), event.source_ip
        if event.sender_ip:
            yield _("sending IP (CMC to recipient)"), event.sender_ip
    for name, value in event.extra.items():
        if name == "subject" and wire.decode_words(str(value)) == event.mail.subject:
            continue
        yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
