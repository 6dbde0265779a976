from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import template

from cmc_webhooks import numerals
from cmc_webhooks.admin import overview

if TYPE_CHECKING:
    from collections.abc import Mapping

register = template.Library()


@register.inclusion_tag("admin/cmc_webhooks/start.html", takes_context=True)
def cmc_webhooks_start(context: Mapping[str, Any]) -> dict[str, Any]:
    """Show the search for mails, what is unusual, and the past 7 days, as far as the user may see them.

    It is for index pages of an admin site. Elsewhere it shows nothing.
    """
    request = context.get("request")
    return {} if request is None else overview.start(request)


@register.filter
def grouped(value: Any) -> Any:
    """Return an integer as text, grouped as its language does: `1,000`. Other values stay as they are."""
    return numerals.grouped(value) if isinstance(value, int) else value
