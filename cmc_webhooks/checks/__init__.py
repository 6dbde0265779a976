"""System checks of the settings. Each message has an id, the problem and a hint; an id is never reused.

Checks tagged `database` need a connection. They run with `manage.py check --database default` and `migrate`.
"""

from __future__ import annotations

from django.core import checks

from cmc_webhooks.checks.alerts import check_alert_looks, check_alert_settings
from cmc_webhooks.checks.databases import check_database_settings, check_databases, check_tables
from cmc_webhooks.checks.packages import check_packages
from cmc_webhooks.checks.receivers import check_receivers
from cmc_webhooks.checks.rest import check_rest
from cmc_webhooks.checks.retention import check_keeping
from cmc_webhooks.checks.secrets import check_secrets
from cmc_webhooks.checks.settings import check_settings
from cmc_webhooks.checks.silence import check_silence
from cmc_webhooks.checks.urls import check_addresses, check_redirects

__all__ = [
    "check_addresses",
    "check_alert_looks",
    "check_alert_settings",
    "check_database_settings",
    "check_databases",
    "check_keeping",
    "check_packages",
    "check_receivers",
    "check_redirects",
    "check_rest",
    "check_secrets",
    "check_settings",
    "check_silence",
    "check_tables",
    "register",
]


def register() -> None:
    """Register the checks of this package with Django."""
    checks.register(check_secrets, checks.Tags.security)
    checks.register(check_settings)
    checks.register(check_packages)
    checks.register(check_keeping)
    checks.register(check_rest)
    checks.register(check_receivers)
    checks.register(check_alert_settings)
    checks.register(check_addresses, checks.Tags.urls)
    checks.register(check_redirects, checks.Tags.security, deploy=True)
    checks.register(check_database_settings)
    checks.register(check_databases, checks.Tags.database)
    checks.register(check_tables, checks.Tags.database)
    checks.register(check_silence, checks.Tags.database)
    checks.register(check_alert_looks, checks.Tags.database)
