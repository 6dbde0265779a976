"""Can CMC's REST API be asked with these settings? None of them is needed where nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from cmc_webhooks.checks.messages import Message, error
from cmc_webhooks.checks.values import is_list, is_zone
from cmc_webhooks.conf import app_settings

if TYPE_CHECKING:
    from django.apps import AppConfig


def check_rest(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Message]:
    """E030 to E033: does each setting of the REST API have a value that it can have?"""
    return list(_rest())


def _rest() -> Iterator[Message]:
    if not _is_safe(app_settings.raw("REST_URL")):
        yield error(
            "E030",
            _("CMC_WEBHOOKS_REST_URL is no address that begins with https://."),
            _("The key is sent there. Leave it out: CMC's own address is the default."),
        )
    zone = app_settings.raw("REST_TIME_ZONE")
    if zone is not None and not is_zone(zone):
        yield error(
            "E031",
            _("CMC_WEBHOOKS_REST_TIME_ZONE is no time zone."),
            _('Write the zone chosen for the API user in the console by its name, such as "Asia/Tokyo".'),
        )
    user, key = app_settings.raw("REST_USER"), app_settings.raw("REST_KEY")
    if not isinstance(user, str) or not isinstance(key, str) or bool(user) != bool(key):
        yield error(
            "E032",
            _("CMC_WEBHOOKS_REST_USER and CMC_WEBHOOKS_REST_KEY are not both a text."),
            _("Set both, or none of them; an unset environment variable is no key."),
        )
    compositions = app_settings.raw("REST_COMPOSITIONS")
    if not is_list(compositions) or not all(isinstance(name, str) and name for name in compositions):
        yield error(
            "E033",
            _("CMC_WEBHOOKS_REST_COMPOSITIONS is not a list of names."),
            _('Write the names of the server compositions in the console, such as ["pro"].'),
        )


def _is_safe(url: Any) -> bool:
    """Whether nobody on the way can read what is sent to this address."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except (ValueError, AttributeError, TypeError):
        return False
    return isinstance(url, str) and (
        (parts.scheme == "https" and bool(host)) or (parts.scheme == "http" and _is_loopback(host))
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
