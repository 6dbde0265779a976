"""Checks of the settings for CMC's REST API. All of them are optional if nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from cmc_webhooks.checks.helpers import Message, error, is_list, is_zone, shown
from cmc_webhooks.conf import app_settings, is_safe_url

if TYPE_CHECKING:
    from django.apps import AppConfig


def check_rest(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Message]:
    """Check that each setting of the REST API has a valid value (E030 to E033)."""
    return list(_rest())


def _rest() -> Iterator[Message]:
    if not is_safe_url(app_settings.raw("REST_URL")):
        yield error(
            "E030",
            _("CMC_WEBHOOKS_REST_URL is not a URL that begins with https://."),
            _("The API key is sent to this URL. Remove the setting to use CMC's own URL."),
        )
    zone = app_settings.raw("REST_TIME_ZONE")
    if zone is not None and not is_zone(zone):
        yield error(
            "E031",
            _("%(setting)s is %(value)s, which is not a valid time zone.")
            % {"setting": "CMC_WEBHOOKS_REST_TIME_ZONE", "value": shown(zone)},
            _('Set it to the time zone of the API user in CMC\'s console, such as "Asia/Tokyo".'),
        )
    user, key = app_settings.raw("REST_USER"), app_settings.raw("REST_KEY")
    are_texts = isinstance(user, str) and isinstance(key, str)
    if not are_texts or bool(user) != bool(key):
        fault = _("CMC_WEBHOOKS_REST_USER and CMC_WEBHOOKS_REST_KEY are not both strings.")
        if are_texts:
            fault = _("%s is not set.") % f"CMC_WEBHOOKS_{'REST_KEY' if user else 'REST_USER'}"
        yield error("E032", fault, _("Set both or neither. An unset environment variable is not a key."))
    compositions = app_settings.raw("REST_COMPOSITIONS")
    if not is_list(compositions) or not all(isinstance(name, str) and name for name in compositions):
        yield error(
            "E033",
            _("CMC_WEBHOOKS_REST_COMPOSITIONS is not a list of names."),
            _('List the names of the server compositions in CMC\'s console, such as ["pro"].'),
        )
