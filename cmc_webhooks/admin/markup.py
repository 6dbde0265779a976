"""HTML fragments that several pages use. Received values are escaped, here or by the templates."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import pgettext

from cmc_webhooks import timezones
from cmc_webhooks.admin import labels
from cmc_webhooks.models import Suppression
from cmc_webhooks.status import BOUNCED, DeliveryStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from django.contrib.admin import AdminSite
    from django.db.models import Model
    from django_stubs_ext import StrOrPromise

_SHORT = 90
_ONE_LINE = 24
"""Characters that a cell of a list surely has room for in one line."""

CUT = 400
"""Characters of a text that a list loads: more than it shows, since marks above letters take no space."""

_TONES: Mapping[str, str] = {
    DeliveryStatus.QUEUED: "waiting",
    DeliveryStatus.DEFERRED: "delayed",
    DeliveryStatus.SUCCEEDED: "good",
    DeliveryStatus.FAILED: "bad",
    BOUNCED: "returned",
}


def tone(status: str) -> str:
    """Return the name of a status's colours in admin.css."""
    return _TONES.get(status, "other")


def badge(status: str) -> SafeString:
    """Return a status as a coloured mark with a sign and its word: nothing is conveyed by colour alone."""
    return mark(tone(status), short(labels.status_word(status)))


def mark(tone: str, text: StrOrPromise) -> SafeString:
    return format_html('<span class="cmc-badge cmc-{}">{}</span>', tone, text)


def headed(heading: StrOrPromise, value: Any) -> SafeString:
    """Return a value with the heading of its column, without which it is unclear.

    The heading is shown only where the table has none.
    """
    return format_html('<span class="cmc-heading">{} </span>{}', heading, value)


def note(tone: str, text: StrOrPromise, whole: StrOrPromise) -> SafeString:
    """Return a few words in the colours of a tone, with the whole sentence in a tooltip."""
    return format_html('<span class="cmc-note cmc-{}" title="{}">{}</span>', tone, whole, text)


def two_lines(above: str, below: str, note: SafeString | str = "") -> SafeString:
    """Return two texts for one cell of a list, the lower one less prominent, with a note before it.

    Each is truncated. A tooltip shows more of what was cut, here or by the width of the column.
    """
    lower = _cut("cmc-below", below) if below else SafeString()
    if note:
        lower = format_html('<span class="cmc-line">{}{}</span>', note, lower)
    return _cut("cmc-words", above) + lower


def _cut(name: str, text: str) -> SafeString:
    shown = short(text)
    if shown == text and len(text) <= _ONE_LINE:
        return format_html('<span class="{}">{}</span>', name, text)
    return format_html('<span class="{}" title="{}">{}</span>', name, text[:CUT], shown)


def moment(value: datetime | None) -> SafeString | None:
    """Return a time with its seconds, in the active zone."""
    if value is None:
        return None
    local = timezones.to_local(value)
    return format_html(
        '<time class="cmc-moment" datetime="{}">{} {}</time>',
        local.isoformat(),
        format_date(local, "Y-m-d"),
        format_date(local, "H:i:s"),
    )


def when(value: datetime | None) -> SafeString | None:
    """Return a time for a list, as people write it in the reader's language, in the active zone.

    The year is left out if it is this one. A tooltip has all, with the seconds and the zone.
    """
    if value is None:
        return None
    is_recent = timezones.to_local(value).year == timezones.today().year
    return _written(value, pgettext("date", "M j, H:i") if is_recent else pgettext("date", "M j, Y, H:i"))


def changed(value: datetime | None, since: datetime) -> SafeString | None:
    """Return a later time than `since` in short: the time of the same day, otherwise the date."""
    if value is None or value == since:
        return None
    local, before = timezones.to_local(value), timezones.to_local(since)
    if local.date() == before.date():
        return _written(value, "H:i")
    is_recent = local.year == timezones.today().year
    return _written(value, pgettext("date", "M j") if is_recent else pgettext("date", "M j, Y"))


def _written(value: datetime, form: str) -> SafeString:
    local = timezones.to_local(value)
    zone = timezone.get_current_timezone_name() if settings.USE_TZ else ""
    return format_html(
        '<time class="cmc-moment" datetime="{}" title="{}">{}</time>',
        local.isoformat(),
        f"{timezones.format_local(value)} {zone}".rstrip(),
        format_date(local, form),
    )


def link(site: AdminSite, model: type[Model], key: Any, text: Any) -> SafeString:
    """Return a link to the page of one row, or the text alone if the project's admin has no such page."""
    if not site.is_registered(model):
        return format_html("{}", text)
    view = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
    return format_html('<a href="{}">{}</a>', reverse(view, args=[key], current_app=site.name), text)


def address_link(site: AdminSite, address: str) -> SafeString:
    """Return a link to the page of an address, or the address alone if the admin has no such page."""
    if not site.is_registered(Suppression):
        return format_html("{}", address)
    url = reverse("admin:cmc_webhooks_suppression_address", current_app=site.name)
    return format_html('<a href="{}?{}">{}</a>', url, urlencode({"address": address}), address)


def short(text: str) -> str:
    """Truncate a text of any length for a place with limited space.

    It is cut after a word, if one ends in the second half. First it is cut roughly: the time of `Truncator`,
    which composes letters and marks, grows with the square of the length.
    """
    shown = Truncator(text[:CUT]).chars(_SHORT)
    if len(text) > CUT and not shown.endswith("…"):
        shown += "…"
    if shown.endswith("…") and shown != text:
        words = shown[:-1].rpartition(" ")[0]
        shown = f"{words.rstrip()}…" if len(words) > _SHORT // 2 else shown
    return shown


def preformatted(text: str) -> SafeString:
    return format_html('<pre class="cmc-raw">{}</pre>', text)


def json_text(value: Any) -> SafeString:
    """Return a JSON value as indented, readable text."""
    return preformatted(json.dumps(value, ensure_ascii=False, indent=2))
