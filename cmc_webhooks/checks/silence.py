"""A check that warns if silence from CMC is not reported."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, connections
from django.utils.translation import gettext as _

from cmc_webhooks import timezones
from cmc_webhooks.checks.helpers import Message, lacks_pool_package, warning
from cmc_webhooks.conf import app_settings
from cmc_webhooks.db import transactions
from cmc_webhooks.models import Notification, routing
from cmc_webhooks.monitoring import silence

if TYPE_CHECKING:
    from django.apps import AppConfig

FEWEST_DAYS = 8
"""The shortest `RETENTION` of notifications from which `silence.learn` learns: it has to see seven days."""


def check_silence(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[Message]:
    """Check that silence from CMC is reported (W091).

    Before there are notifications of two weeks, or of what `RETENTION` leaves of them, there is nothing to
    learn from and no message.
    """
    alias = routing.write_alias()
    if alias not in (databases or ()) or sys.argv[1:2] == ["migrate"]:
        return []
    if lacks_pool_package(connections[alias]) or app_settings.max_silence is not None:
        return []
    if not app_settings.learns_max_silence:
        return [_off(_("Silence from CMC is never reported: CMC_WEBHOOKS_MAX_SILENCE is None."))]
    days = app_settings.retention.get("notifications")
    if days is not None and days < FEWEST_DAYS:
        text = _("Silence from CMC is not reported: RETENTION deletes notifications after %(days)d days.")
        return [_off(text % {"days": days})]
    try:
        is_off = _has_history(alias, days) and silence.learn(alias) is None
    except (transactions.Unavailable, DatabaseError):  # other checks and commands report it
        return []
    if not is_off:
        return []
    return [_off(_("Silence from CMC is not reported: there were days without a notification."))]


def _has_history(alias: str, days: int | None) -> bool:
    kept = silence.PERIOD if days is None else min(silence.PERIOD, timedelta(days=days - 1))
    begin = timezones.to_stored(datetime.now(UTC) - kept)
    posted = Notification._default_manager.using(alias).filter(source=Notification.Sources.WEBHOOK)
    return posted.filter(received_at__lt=begin).exists()


def _off(text: str) -> Message:
    hint = _("Set it to the longest time in which your project sends no mail, such as 6 * 3600.")
    return warning("W091", text, hint)
