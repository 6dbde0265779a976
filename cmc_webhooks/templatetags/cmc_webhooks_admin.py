from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import template
from django.urls import NoReverseMatch, reverse

if TYPE_CHECKING:
    from collections.abc import Mapping

register = template.Library()


@register.simple_tag(takes_context=True)
def overview_url(context: Mapping[str, Any]) -> str:
    """The address of the overview in this admin site; "" where mails are not registered."""
    try:
        return reverse("admin:cmc_webhooks_mail_overview", current_app=context["request"].current_app)
    except (AttributeError, NoReverseMatch):
        return ""
