"""A mail's page: where the mail stands, and all that happened to it, ready for the template."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils.translation import gettext as _

from cmc_webhooks import history
from cmc_webhooks.admin import base, markup, words
from cmc_webhooks.models import BounceEvent, DeliveryEvent, Notification
from cmc_webhooks.status import BOUNCED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.admin import AdminSite
    from django.db.models import Model
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    from cmc_webhooks.models import Mail


class Summary(NamedTuple):
    """Where a mail stands now."""

    tone: str
    badge: SafeString
    moment: SafeString | None
    headline: str
    meanings: list[str]
    code: str


class Entry(NamedTuple):
    """One event of a time line."""

    tone: str
    badge: SafeString
    moment: SafeString | None
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
        code=mail.bounce_code,
    )


def entries(mail: Mail, links: Links) -> list[Entry]:
    """The deliveries and bounces of a mail, oldest first; three statements."""
    events = history.timeline(mail)
    kept = base.kept_notifications(events, mail._state.db)
    return [_entry(event, links, has_notification=event.notification_id in kept) for event in events]


def _entry(event: DeliveryEvent | BounceEvent, links: Links, *, has_notification: bool) -> Entry:
    bounced = isinstance(event, BounceEvent)
    status = BOUNCED if isinstance(event, BounceEvent) else event.status
    own = links.to(type(event), event.pk, _("bounce event") if bounced else _("delivery event"))
    notification = links.to(Notification, event.notification_id, _("notification"))
    said, meaning = _beside_badge(words.reason_of_event(event), status)
    return Entry(
        tone=markup.tone(status),
        badge=markup.badge(status),
        moment=markup.moment(event.occurred_at),
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
