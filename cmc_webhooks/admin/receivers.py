"""The receivers of a pending signal that failed, for its page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _

from cmc_webhooks.dispatch import receivers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.utils.safestring import SafeString

    from cmc_webhooks.models import PendingSignal


def failed(pending: PendingSignal) -> SafeString | None:
    """Return a list of the receivers that failed, each with the reason; None if that is not known."""
    if not pending.failures:
        return None
    lines = ((_name(each), _reason(each)) for each in pending.failures)
    entries = format_html_join(
        "", '<li><span class="cmc-words">{}</span><span class="cmc-below">{}</span></li>', lines
    )
    return format_html('<ul class="cmc-receivers">{}</ul>', entries)


def _name(failure: Mapping[str, str]) -> str:
    return failure["receiver"] or _("All receivers without a unique name")


def _reason(failure: Mapping[str, str]) -> str:
    if failure["error"] == receivers.NOT_CONNECTED:
        return _("It was not connected in the process that sent the signal.")
    if not failure["place"]:
        return failure["error"]
    return _("%(error)s in %(place)s") % {"error": failure["error"], "place": failure["place"]}
