"""Template tags for a project's own pages: `{% load cmc_webhooks %}`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import template

from cmc_webhooks.models.api_data import api_data_of, has_api_data

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag(takes_context=True)
def mail_history(context: Mapping[str, Any], obj: Any, *addresses: str) -> SafeString:
    """Return the latest mails about one of the project's objects, and to these addresses.

    It is empty for users without the permission `cmc_webhooks.view_mail`, and without a request in the
    context. The object may be None. `CMC_WEBHOOKS_API_DATA_OF` needs an entry for its model if there are no
    addresses.
    """
    from cmc_webhooks.admin import panel  # all tags are imported at once, with no admin installed too

    request = context.get("request")
    has_none = obj is None or (addresses and not has_api_data(type(obj)))
    return panel.html(request, "" if has_none else api_data_of(obj), addresses)
