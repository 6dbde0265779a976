"""The few bits of HTML that several pages use. Whatever was sent is escaped, here or by the templates."""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING, Any

from django.urls import reverse
from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from cmc_webhooks.admin import words
from cmc_webhooks.status import BOUNCED, DeliveryStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from django.contrib.admin import AdminSite
    from django.db.models import Model
    from django.utils.safestring import SafeString
    from django_stubs_ext import StrOrPromise

_SHORT = 90

_TONES: Mapping[str, str] = {
    DeliveryStatus.QUEUED: "waiting",
    DeliveryStatus.DEFERRED: "delayed",
    DeliveryStatus.SUCCEEDED: "good",
    DeliveryStatus.FAILED: "bad",
    BOUNCED: "returned",
}


def tone(status: str) -> str:
    """The name of a status's colours in admin.css."""
    return _TONES.get(status, "other")


def badge(status: str) -> SafeString:
    """A status as a coloured mark with a sign and its word, so that colour alone says nothing."""
    return mark(tone(status), short(words.status_word(status)))


def mark(tone: str, text: StrOrPromise) -> SafeString:
    return format_html('<span class="cmc-badge cmc-{}">{}</span>', tone, text)


def headed(heading: StrOrPromise, value: Any) -> SafeString:
    """A value that says nothing without the heading of its column, which is shown where there is none."""
    return format_html('<span class="cmc-heading">{} </span>{}', heading, value)


def two_lines(above: str, below: str) -> SafeString:
    """Two texts for one place of a list, the lower one less loud; each is cut short."""
    return format_html(
        '<span class="cmc-words">{}</span><span class="cmc-below">{}</span>', short(above), short(below)
    )


def moment(value: datetime | None) -> SafeString | None:
    """A time with its seconds, in the active zone."""
    if value is None:
        return None
    local = timezone.localtime(value) if timezone.is_aware(value) else value
    return format_html(
        '<time class="cmc-moment" datetime="{}">{} {}</time>',
        local.isoformat(),
        format_date(local, "Y-m-d"),
        format_date(local, "H:i:s"),
    )


def ago(value: datetime | None) -> SafeString | None:
    """How long ago a time was, above the time itself; the time alone if it is still to come."""
    exact = moment(value)
    if value is None or exact is None or value >= timezone.now().replace(tzinfo=value.tzinfo and UTC):
        return exact
    span = timesince(value, depth=1)
    return format_html(
        '<span class="cmc-ago">{}</span><span class="cmc-below">{}</span>', _("%s ago") % span, exact
    )


def link(site: AdminSite, model: type[Model], key: Any, text: Any) -> SafeString:
    """A link to the page of one row, or the text alone where the project's admin has no such page."""
    if not site.is_registered(model):
        return format_html("{}", text)
    view = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
    return format_html('<a href="{}">{}</a>', reverse(view, args=[key], current_app=site.name), text)


def short(text: str) -> str:
    """A text that may be of any length, for a place where it may not."""
    return Truncator(text).chars(_SHORT)


def preformatted(text: str) -> SafeString:
    return format_html('<pre class="cmc-raw">{}</pre>', text)


def json_text(value: Any) -> SafeString:
    """A JSON value as one reads it."""
    return preformatted(json.dumps(value, ensure_ascii=False, indent=2))
