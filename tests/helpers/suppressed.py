"""Addresses that may not be sent to, one for each reason."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from cmc_webhooks import suppression
from cmc_webhooks.models import Mail
from tests.helpers import factories


def ago(**values: float) -> datetime:
    return timezone.now() - timedelta(**values)


def bounced(recipient: str, code: str, composition: str = "pro", **values: Any) -> Mail:
    """Store a mail that bounced a day ago."""
    at = ago(days=1)
    values = {"status_at": at, "created_at": at, **values}
    return factories.MailFactory(
        recipient=recipient, server_composition=composition, bounce_code=code, **values
    )


def one_for_each_reason() -> None:
    """Store an address for each reason, and one that may be sent to."""
    bounced("hard@x.jp", "2")
    bounced("held@x.jp", "10", "pro")
    bounced("reader@x.jp", "11", "newsletter")
    for days in (9, 6, 3):
        bounced("full@y.jp", "5", status_at=ago(days=days), created_at=ago(days=days))
    factories.MailFactory(recipient="fine@x.jp", delivery_status="succeeded")
    suppression.block("by-hand@y.jp", composition="pro", note="asked by phone")
