"""A mail's page: where the mail stands, and all that happened to it, ready for the template."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from django.db.models import Model
from django.utils.translation import gettext as _

from cmc_webhooks import history
from cmc_webhooks.admin import base, markup, words
from cmc_webhooks.models import BounceEvent, DeliveryEvent, Notification
from cmc_webhooks.status import BOUNCED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.admin import AdminSite
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    from cmc_webhooks.models import Mail

logger = logging.getLogger(__name__)

OTHERS = 10
"""Other mails that a mail's page shows of each kind."""


class Summary(NamedTuple):
    """Where a mail stands now."""

    tone: str
    badge: SafeString
    moment: SafeString | None
    headline: str
    meanings: list[str]
    advice: str
    code: str


class Other(NamedTuple):
    """Another mail: to somebody else of the same message, or to the same address."""

    badge: SafeString
    link: SafeString
    moment: SafeString | None


class Others(NamedTuple):
    """Some other mails, and the list that has all of them if there are more."""

    mails: list[Other]
    more: str


class Entry(NamedTuple):
    """One event of a time line."""

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


class Links:
    """Links to pages that this person may open."""

    def __init__(self, site: AdminSite, request: HttpRequest) -> None:
        self._site = site
        self._request = request

    def to(self, model: type[Model], key: Any, text: str) -> list[SafeString]:
        """One link, or none."""
        if not self._site.is_registered(model):
            return []
        if not self._site.get_model_admin(model).has_view_permission(self._request):
            return []
        return [markup.link(self._site, model, key, text)]


def summary(mail: Mail) -> Summary:
    """What a mail's page begins with."""
    reason = words.reason_of_mail(mail)
    texts = [text for text in (*_beside_badge(reason, mail.status), words.before_bounce(mail)) if text]
    return Summary(
        tone=markup.tone(mail.status),
        badge=markup.badge(mail.status),
        moment=markup.moment(mail.status_at),
        headline=texts[0] if texts else "",
        meanings=texts[1:],
        advice=words.advice(mail.bounce_class),
        code=mail.bounce_code,
    )


def related(mail: Mail, links: Links) -> list[SafeString]:
    """A link to the project's own object that the mail is about; none if that cannot be found."""
    try:
        found = mail.related_object
    except Exception:  # the project's code: history is shown whatever it does
        logger.exception("RELATED_OBJECT raised", extra={"cmc_event": "related_failed"})
        return []
    return links.to(type(found), found.pk, str(found)) if isinstance(found, Model) else []


def entries(mail: Mail, links: Links) -> list[Entry]:
    """The deliveries and bounces of a mail, oldest first; three statements."""
    events = history.timeline(mail)
    kept = base.kept_notifications(events, mail._state.db)
    earlier = [None, *events]
    return [
        _entry(event, before, links, has_notification=event.notification_id in kept)
        for before, event in zip(earlier, events, strict=False)
    ]


def same_message(mail: Mail, links: Links, search: str) -> Others:
    """The mails to other recipients of the same message; `search` is the address of the list of mails."""
    found = history.other_recipients(mail, OTHERS + 1)
    others = [_other(each, links, each.recipient) for each in found[:OTHERS]]
    return Others(others, _search(search, mail.message_id) if len(found) > OTHERS else "")


def same_address(mail: Mail, links: Links, search: str) -> Others:
    """The latest other mails to the same address."""
    found = history.other_mails(mail, OTHERS + 1)
    others = [_other(each, links, each.subject or each.message_id) for each in found[:OTHERS]]
    return Others(others, _search(search, mail.address) if len(found) > OTHERS else "")


def _search(address: str, text: str) -> str:
    return f"{address}?{urlencode({'q': text})}"


def _other(mail: Mail, links: Links, text: str) -> Other:
    link = links.to(type(mail), mail.pk, markup.short(text) or "–")
    return Other(markup.badge(mail.status), link[0], markup.moment(mail.status_at))


def _entry(
    event: DeliveryEvent | BounceEvent,
    before: DeliveryEvent | BounceEvent | None,
    links: Links,
    *,
    has_notification: bool,
) -> Entry:
    bounced = isinstance(event, BounceEvent)
    status = BOUNCED if isinstance(event, BounceEvent) else event.status
    own = links.to(type(event), event.pk, _("bounce event") if bounced else _("delivery event"))
    notification = links.to(Notification, event.notification_id, _("notification"))
    said, meaning = _beside_badge(words.reason_of_event(event), status)
    return Entry(
        tone=markup.tone(status),
        badge=markup.badge(status),
        moment=markup.moment(event.occurred_at),
        gap=words.gap((event.occurred_at - before.occurred_at).total_seconds()) if before else "",
        words=said,
        meaning=meaning,
        code=event.bounce_code if isinstance(event, BounceEvent) else "",
        answer=event.reason,
        facts=list(_facts(event)),
        links=own + (notification if has_notification else []),
    )


def _beside_badge(reason: words.Reason, status: str) -> words.Reason:
    """The reason without what the status's badge says already."""
    return reason._replace(words="") if reason.words == words.status_word(status) else reason


def _facts(event: DeliveryEvent | BounceEvent) -> Iterable[tuple[str, str]]:
    if isinstance(event, DeliveryEvent):
        if event.source_ip:
            yield _("handed over by"), event.source_ip
        if event.sender_ip:
            yield _("sent from"), event.sender_ip
    for name, value in event.extra.items():
        yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
