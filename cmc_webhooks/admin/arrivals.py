"""What a notification brought: its events, each with its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _

from cmc_webhooks.admin import labels, markup
from cmc_webhooks.event_types import EVENT_TYPES
from cmc_webhooks.models import BlockEvent, BounceEvent, Mail
from cmc_webhooks.status import BOUNCED

if TYPE_CHECKING:
    from django.utils.safestring import SafeString

    from cmc_webhooks.admin.timeline import Links
    from cmc_webhooks.models import Notification

SHOWN = 100
"""Events of a page at most: as many as CMC sends in one notification."""


def events(notification: Notification, links: Links) -> SafeString | None:
    """Return a list of the new events of a notification; None without any. One query, by the time of receipt.

    Only who may view mails sees recipients and subjects.
    """
    kind = EVENT_TYPES.get(notification.event_type)
    if kind is None:
        return None
    found: Any = kind.model._default_manager.using(notification._state.db).filter(
        received_at=notification.received_at, notification_id=notification.pk
    )
    if kind.model is not BlockEvent:
        found = found.select_related("mail").defer("extra", "reason", "mail__reason")
    lines = [(_line(event, links),) for event in found.order_by("pk")[:SHOWN]]
    if not lines:
        return None
    return format_html('<ul class="cmc-others">{}</ul>', format_html_join("", "<li>{}</li>", lines))


def _line(event: Any, links: Links) -> SafeString:
    model = type(event)
    if isinstance(event, BlockEvent):
        mark, about = labels.reason_of_code(event.bounce_code).words, event.address
    else:
        mark = markup.badge(BOUNCED if isinstance(event, BounceEvent) else event.status)
        about = f"{event.mail.recipient or _('no recipient')} {event.mail.subject}".rstrip()
    text = markup.short(about) if links.may_view(Mail) else str(model._meta.verbose_name)
    [shown] = links.to(model, event.pk, text) or [format_html("{}", text)]
    return format_html("{} {}", mark, shown)
