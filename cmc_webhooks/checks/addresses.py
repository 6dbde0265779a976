"""Do the addresses lead to the app, as CMC and Prometheus ask for them?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse
from django.utils.translation import gettext as _

from cmc_webhooks.checks.messages import Message, warning

if TYPE_CHECKING:
    from django.apps import AppConfig


def check_addresses(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Message]:
    """W015 and W048: no redirect loses a POST, and the metrics are found behind the health view."""
    messages: list[Message] = []
    webhook = address_of("cmc_webhooks:webhook")
    if webhook is None or _views(webhook or "/", f"{webhook}/") != {"cmc_webhooks:webhook"}:
        messages.append(
            warning(
                "W015",
                _("The webhook is not mounted, or not under both spellings of its address."),
                _('Write path("cmc/webhook", include("cmc_webhooks.urls")), without a slash at the end.'),
            )
        )
    health = address_of("cmc_webhooks_health:health")
    if health is not None and _views(f"{health}/metrics") != {"cmc_webhooks_health:metrics"}:
        messages.append(
            warning(
                "W048",
                _("The health view is mounted, but the metrics are not found behind it."),
                _('Mount cmc_webhooks.health_urls at "cmc/health", say, without a slash at the end.'),
            )
        )
    return messages


def address_of(name: str) -> str | None:
    """Where below the project a view is mounted, without a slash at the end; None if it is not."""
    try:
        address = reverse(name)
    except NoReverseMatch:
        return None
    return f"/{address.removeprefix(get_script_prefix())}".rstrip("/")


def _views(*addresses: str) -> set[str]:
    """The names of the views that these addresses lead to; none if one of them leads nowhere."""
    try:
        return {resolve(address).view_name for address in addresses}
    except Resolver404:
        return set()
