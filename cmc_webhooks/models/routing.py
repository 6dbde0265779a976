"""The alias of the database that holds the app's tables."""

from __future__ import annotations

from django.db import router

from cmc_webhooks.models.mails import Mail

__all__ = ["write_alias"]


def write_alias() -> str:
    """Return the alias of the database that the app writes to, and reads from where it must be exact."""
    return router.db_for_write(Mail)
