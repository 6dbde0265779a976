"""Checks of the secrets: one is set, each is valid, none serves two purposes. No message shows a secret."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext as _

from cmc_webhooks.checks.helpers import Message, error, is_list, warning
from cmc_webhooks.conf import PREFIX, app_settings

if TYPE_CHECKING:
    from django.apps import AppConfig

WEBHOOK = ("API_KEYS", "BASIC_AUTH", "BEARER_TOKENS")
LISTS = (*WEBHOOK, "HEALTH_TOKENS")
APART = (WEBHOOK, ("HEALTH_TOKENS",), ("REST_KEY",), ("SECRET_KEY",))
"""Settings by what they give access to: the webhook, the health view, CMC's REST API, the project itself."""
SHORTEST_SECRET = 16


def check_secrets(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Message]:
    """Check that a secret is set, valid and not shared between purposes (E001 to W005, W044, W047)."""
    return [*_there(), *_secrets(), *_shared()]


def _there() -> Iterator[Message]:
    if any(app_settings.raw(name) for name in WEBHOOK):
        return
    if not app_settings.allow_unauthenticated:
        yield error(
            "E001",
            _("No secret is configured: every notification is refused with 403."),
            _(
                "Set CMC_WEBHOOKS_API_KEYS, CMC_WEBHOOKS_BASIC_AUTH or CMC_WEBHOOKS_BEARER_TOKENS to a "
                "list of secrets; for local work only, set CMC_WEBHOOKS_ALLOW_UNAUTHENTICATED = True."
            ),
        )
    elif not settings.DEBUG:
        yield warning(
            "W005",
            _("Anyone who knows the webhook's URL can write to the history."),
            _("Configure a secret and remove CMC_WEBHOOKS_ALLOW_UNAUTHENTICATED."),
        )


def _secrets() -> Iterator[Message]:
    for name in LISTS:
        value, setting = app_settings.raw(name), f"{PREFIX}{name}"
        if not is_list(value) or not all(isinstance(secret, str) and secret for secret in value):
            yield error(
                "E002",
                _("%s is not a list of strings, or one of them is empty.") % setting,
                _('Write %s = ["..."]; an unset environment variable must not become "".') % setting,
            )
            continue
        if name == "BASIC_AUTH" and not all(":" in secret for secret in value):
            yield error(
                "E003",
                _("An entry of CMC_WEBHOOKS_BASIC_AUTH has no colon."),
                _('Write each as "user:password".'),
            )
        if any(len(secret) < SHORTEST_SECRET or not secret.isascii() for secret in value):
            yield warning(
                "W004",
                _("A secret in %(setting)s is under %(number)d characters, or not ASCII.")
                % {"setting": setting, "number": SHORTEST_SECRET},
                _('Make one with: python -c "import secrets; print(secrets.token_urlsafe(32))"'),
            )
        if any(secret != secret.strip() for secret in value):
            yield warning(
                "W047",
                _("A secret in %s begins or ends with a blank or a line break.") % setting,
                _("Clients are unlikely to send it this way. Strip values that are read from a file."),
            )


def _shared() -> Iterator[Message]:
    for names, others in combinations(APART, 2):
        for name, other in product(names, others):
            if _texts(name) & _texts(other):
                yield warning(
                    "W044",
                    _("%(one)s and %(other)s use the same secret.")
                    % {"one": _full(name), "other": _full(other)},
                    _("A leak of one is a leak of both. Generate a secret for each."),
                )


def _texts(name: str) -> set[str]:
    """Return the secrets of a setting. Of a BASIC pair, the password alone is included as well."""
    if name == "SECRET_KEY":
        try:
            value: Any = settings.SECRET_KEY
        except ImproperlyConfigured:  # it is empty, which Django itself reports
            return set()
    else:
        value = app_settings.raw(name)
    texts = {text for text in (value if is_list(value) else [value]) if isinstance(text, str)}
    if name == "BASIC_AUTH":
        texts |= {text.partition(":")[2] for text in texts}
    return texts - {""}


def _full(name: str) -> str:
    return name if name == "SECRET_KEY" else f"{PREFIX}{name}"
