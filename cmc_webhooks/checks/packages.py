"""Checks that packages and apps are installed which a setting or a mount needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.db import connections, router
from django.utils.translation import gettext as _

from cmc_webhooks.checks.helpers import (
    Message,
    app_of,
    error,
    lacks_pool_package,
    unreadable,
    warning,
    why_not_found,
)
from cmc_webhooks.checks.urls import address_of
from cmc_webhooks.conf import app_settings
from cmc_webhooks.models import Mail

if TYPE_CHECKING:
    from django.apps import AppConfig


def check_packages(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Message]:
    """Check what the mounted API, deferred signals and a pool need (W083, E084, E085)."""
    return list(_packages())


def _packages() -> Iterator[Message]:
    if address_of("cmc_webhooks_api:mail-list") is not None and not apps.is_installed("rest_framework"):
        yield warning(
            "W083",
            _("The API is mounted, but rest_framework is not in INSTALLED_APPS."),
            _('Install django-cmc-webhooks[api] and add "rest_framework" to INSTALLED_APPS.'),
        )
    backend = str((getattr(settings, "TASKS", None) or {}).get("default", {}).get("BACKEND", ""))
    is_deferred = app_settings.raw("DISPATCH") == "deferred"
    if is_deferred and backend and (reason := _why_no_backend(backend)):
        yield unreadable(
            "E084",
            'TASKS["default"]["BACKEND"]',
            backend,
            reason,
            _('Install its package and add its app to INSTALLED_APPS, then run "manage.py migrate".'),
        )
    if lacks_pool_package(connections[router.db_for_write(Mail)]):
        yield error(
            "E085",
            _("The database has a pool, but psycopg_pool is not installed: no query can be sent."),
            _('Install "psycopg[pool]", or remove "pool" from this database\'s OPTIONS.'),
        )


def _why_no_backend(path: str) -> str:
    """Return why this backend of Django Tasks cannot be used; "" if it can."""
    if (app := app_of(path)) and not any(each.name == app for each in apps.get_app_configs()):
        return _('"%s" is not in INSTALLED_APPS') % app
    return why_not_found(path)
