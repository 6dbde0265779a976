"""Checks of the settings of alerts, and that a process checks for them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import DatabaseError, connections, router
from django.utils.translation import gettext as _

from cmc_webhooks import timezones
from cmc_webhooks.checks.helpers import Message, error, is_list, lacks_pool_package, warning
from cmc_webhooks.conf import app_settings, is_safe_url
from cmc_webhooks.models import AlertLook, Mail, Notification

if TYPE_CHECKING:
    from django.apps import AppConfig

LONGEST = timedelta(hours=2)
"""Time without a look after which the warning is given."""


def check_alert_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Message]:
    """Check that alerts can be sent where the settings say (E101, E102)."""
    return list(_settings())


def _settings() -> Iterator[Message]:
    value = app_settings.raw("ALERT_EMAILS")
    if not (is_list(value) or value == "") or not all(map(_is_email, value)):
        yield error(
            "E101",
            _("%(setting)s is not a list of e-mail addresses.") % {"setting": "CMC_WEBHOOKS_ALERT_EMAILS"},
            _('List the addresses that alerts are sent to, such as ["duty@example.com"].'),
        )
    url = app_settings.raw("ALERT_SLACK_URL")
    if url and not is_safe_url(url):
        yield error(
            "E102",
            _("CMC_WEBHOOKS_ALERT_SLACK_URL is not a URL that begins with https://."),
            _("The URL is a secret. Messages are sent to https:// only, or to a loopback host."),
        )


def _is_email(value: Any) -> bool:
    try:
        validate_email(value)
    except (ValidationError, TypeError):
        return False
    return isinstance(value, str)


def check_alert_looks(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[Message]:
    """Check that a process checks for alerts, if notifications arrive (W103)."""
    alias = router.db_for_write(Mail)
    if alias not in (databases or ()) or sys.argv[1:2] == ["migrate"]:
        return []
    connection = connections[alias]
    if lacks_pool_package(connection) or not _is_expected(alias):
        return []
    return [
        warning(
            "W103",
            _("No process has checked for alerts for two hours, so none are raised."),
            _(
                "Run cmc_dispatch, call cmc_alerts from cron every five minutes, or schedule the task"
                " check_for_alerts."
            ),
        )
    ]


def _is_expected(alias: str) -> bool:
    """Return whether a look is overdue. Missing tables are another check's subject."""
    try:
        looks = AlertLook._default_manager.using(alias)
        now = datetime.now(UTC)
        # a time further ahead is that of a clock that was wrong
        young = [timezones.to_stored(moment) for moment in (now - LONGEST, now + LONGEST)]
        is_received = Notification._default_manager.using(alias).exists()
        return is_received and not looks.filter(looked_at__range=young).exists()
    except DatabaseError:
        return False
