"""Wrong settings, each with an id, what is wrong, and what to do. An id is used once and never again.

Those tagged `database` need a connection and run with `manage.py check --database default` and `migrate`.
"""

from __future__ import annotations

from django.core import checks

from cmc_webhooks.checks.addresses import check_addresses
from cmc_webhooks.checks.databases import check_database_settings, check_databases
from cmc_webhooks.checks.keeping import check_keeping
from cmc_webhooks.checks.rest import check_rest
from cmc_webhooks.checks.secrets import check_secrets
from cmc_webhooks.checks.settings import check_settings

__all__ = [
    "check_addresses",
    "check_database_settings",
    "check_databases",
    "check_keeping",
    "check_rest",
    "check_secrets",
    "check_settings",
    "register",
]


def register() -> None:
    """Make Django run the checks of this package."""
    checks.register(check_secrets, checks.Tags.security)
    checks.register(check_settings)
    checks.register(check_keeping)
    checks.register(check_rest)
    checks.register(check_addresses, checks.Tags.urls)
    checks.register(check_database_settings)
    checks.register(check_databases, checks.Tags.database)
