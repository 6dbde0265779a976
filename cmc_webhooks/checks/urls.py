"""Checks of the URLs that CMC and Prometheus request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from cmc_webhooks.checks.helpers import Message, warning

if TYPE_CHECKING:
    from django.apps import AppConfig


def check_addresses(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Message]:
    """Check that no redirect loses a POST (W015) and that the metrics are below the health view (W048)."""
    messages: list[Message] = []
    webhook = address_of("cmc_webhooks:webhook")
    fault = ""
    if webhook is None:
        fault = _("The webhook is not mounted.")
    elif _views(webhook or "/", f"{webhook}/") != {"cmc_webhooks:webhook"}:
        fault = _("The webhook answers only one of its two URLs, with or without the slash.")
    if fault:
        hint = _('Write path("cmc/webhook", include("cmc_webhooks.urls")), without a slash at the end.')
        messages.append(warning("W015", fault, hint))
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


def check_redirects(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Message]:
    """Check that no setting of the project redirects a POST to the webhook (W082); with `check --deploy`."""
    return [warning("W082", text, hint) for text, hint in _redirects()]


def _redirects() -> Iterator[tuple[str, str]]:
    """Yield what redirects the webhook, and the remedy."""
    webhook = address_of("cmc_webhooks:webhook")
    if webhook is None:
        return
    path = reverse("cmc_webhooks:webhook").strip("/")
    exempt = [re.compile(pattern) for pattern in settings.SECURE_REDIRECT_EXEMPT]
    if (
        settings.SECURE_SSL_REDIRECT
        and "django.middleware.security.SecurityMiddleware" in settings.MIDDLEWARE
        and not settings.SECURE_PROXY_SSL_HEADER
        and not all(any(each.search(url) for each in exempt) for url in (path, f"{path}/"))
    ):
        yield (
            _(
                "SECURE_SSL_REDIRECT answers 301 to each notification that arrives over http,"
                " as from a proxy."
            ),
            _("Set SECURE_PROXY_SSL_HEADER if a proxy ends TLS, or add %s to SECURE_REDIRECT_EXEMPT.")
            % f'r"^{path}/?$"',
        )
    if settings.PREPEND_WWW and "django.middleware.common.CommonMiddleware" in settings.MIDDLEWARE:
        yield (
            _("PREPEND_WWW answers 301 to each notification that is sent to a host without www."),
            _("Enter the URL with www. in CMC's console, and silence this check."),
        )
    if len(_paths_by_language()) > 1:
        yield (
            _("The webhook is inside i18n_patterns: without a language in its URL it is answered with 302."),
            _("Move its path() out of i18n_patterns."),
        )


def _paths_by_language() -> set[str]:
    paths = set()
    for language, _name in settings.LANGUAGES:
        with override(language):
            paths.add(reverse("cmc_webhooks:webhook"))
    return paths


def address_of(name: str) -> str | None:
    """Return a view's path below the script prefix, without a trailing slash; None if it is not mounted."""
    try:
        address = reverse(name)
    except NoReverseMatch:
        return None
    return f"/{address.removeprefix(get_script_prefix())}".rstrip("/")


def _views(*addresses: str) -> set[str]:
    """Return the names of the views at these paths. Return an empty set if one path does not resolve."""
    try:
        return {resolve(address).view_name for address in addresses}
    except Resolver404:
        return set()
