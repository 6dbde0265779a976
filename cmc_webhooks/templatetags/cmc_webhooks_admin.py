from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import template
from django.urls import NoReverseMatch, reverse

from cmc_webhooks import numerals
from cmc_webhooks.admin import overview

if TYPE_CHECKING:
    from collections.abc import Mapping

register = template.Library()


@register.simple_tag(takes_context=True)
def overview_url(context: Mapping[str, Any]) -> str:
    """Return the URL of the overview in this admin site; "" if mails are not registered."""
    return _url(context, "mail_overview")


@register.inclusion_tag("admin/cmc_webhooks/overview_summary.html", takes_context=True)
def overview_summary(context: Mapping[str, Any]) -> dict[str, Any]:
    """Show what is unusual, and the cards of the past 7 days to those who may view mails."""
    return overview.summary(context["request"])


@register.simple_tag(takes_context=True)
def suppressed_url(context: Mapping[str, Any]) -> str:
    """Return the URL of the list of suppressed addresses; "" if suppressions are not registered."""
    return _url(context, "suppression_suppressed")


@register.filter
def grouped(value: Any) -> Any:
    """Return an integer as text, grouped as its language does: `1,000`. Other values stay as they are."""
    return numerals.grouped(value) if isinstance(value, int) else value


def _url(context: Mapping[str, Any], name: str) -> str:
    try:
        return reverse(f"admin:cmc_webhooks_{name}", current_app=context["request"].current_app)
    except (AttributeError, NoReverseMatch):
        return ""
