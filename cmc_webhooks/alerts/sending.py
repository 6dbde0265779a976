"""Send alert messages: each once, by one process. A failed one is sent again at the next check."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext

from cmc_webhooks import timezones, wire
from cmc_webhooks.alerts import channels, problems
from cmc_webhooks.db import transactions
from cmc_webhooks.models import Alert, AlertMessage
from cmc_webhooks.store import alerts as store
from cmc_webhooks.wire.text import one_line

__all__ = ["Sent", "messages", "send_test", "send_unsent"]

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)
"""After this time, a process that claimed a message is considered dead."""
GIVE_UP = timedelta(days=3)
"""Older messages are no longer retried. The admin shows why they were not sent."""
AT_ONCE = 50
"""Maximum number of messages of one check. The rest are sent at the next one."""
BUDGET_SECONDS = 60.0
"""No further message is started after this time: the same process also sends the pending signals."""


@dataclass(slots=True)
class Sent:
    """The number of messages that were sent, and the reasons of those that were not, by channel."""

    number: int = 0
    errors: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        failed = "".join(f"; {channel}: not sent: {error}" for channel, error in self.errors.items())
        return f"{self.number} messages sent{failed}"


def messages(alert: Alert, event: str, now: datetime) -> list[AlertMessage]:
    """Return the messages about an alert, one for each channel that is configured. `now` is a stored time."""
    return [
        AlertMessage(
            id=wire.count_key("alert message", str(alert.pk), str(event), channel),
            alert=alert,
            event=event,
            channel=channel,
            created_at=now,
        )
        for channel in channels.configured()
    ]


def send_unsent(using: str, *, now: datetime | None = None) -> Sent:
    """Send unsent messages, oldest first. After a failure, a channel is skipped until the next check.

    Raises:
        transactions.Unavailable: the database is unavailable. The message in flight may be sent again.
    """
    done = Sent()
    now = now or datetime.now(UTC)
    deadline = time.monotonic() + BUDGET_SECONDS
    for message in transactions.run(using, partial(_unsent, using, now)):
        if time.monotonic() >= deadline:
            break
        if message.channel in done.errors:
            continue
        claim = partial(
            store.claim_message,
            using,
            message,
            timezones.to_stored(now),
            timezones.to_stored(now + LEASE),
        )
        if not transactions.run(using, claim):
            continue
        error = _error_of(message)
        if error:
            done.errors[message.channel] = error
        else:
            done.number += 1
        sent_at = None if error else timezones.to_stored(now)
        transactions.run(using, partial(store.complete_message, using, message, sent_at, error[:255]))
    return done


def _unsent(using: str, now: datetime) -> list[AlertMessage]:
    oldest = timezones.to_stored(now - GIVE_UP)
    unsent = AlertMessage._default_manager.using(using).filter(sent_at=None, created_at__gte=oldest)
    return list(
        unsent.select_related("alert").order_by("created_at", "alert_id", "event", "channel")[:AT_ONCE]
    )


def _error_of(message: AlertMessage) -> str:
    """Send a message. Return why it was not sent; "" if it was."""
    with translation.override(settings.LANGUAGE_CODE):
        text = _text(message.alert, message.event)
    try:
        channels.send(message.channel, text, message.alert, message.event)
    except channels.NotSent as error:
        logger.error(  # noqa: TRY400 - the traceback may name the URL, a secret
            "An alert message could not be sent by %s (%s)",
            message.channel,
            error,
            extra={
                "cmc_event": "alert_not_sent",
                "channel": message.channel,
                "event": message.event,
                "error": str(error),
                "attempts": message.attempts + 1,
            },
        )
        return str(error) or type(error).__name__
    return ""


def _text(alert: Alert, event: str) -> channels.Text:
    is_raised = event == AlertMessage.Events.RAISED
    subject = alert.sentence if is_raised else gettext("Resolved: %s") % alert.sentence
    lines = [subject]
    if alert.answer and is_raised:
        lines.append(gettext("Commonest answer: %s") % alert.answer)
    lines.append(gettext("Raised: %s") % timezones.format_local(alert.raised_at))
    if alert.resolved_at is not None and not is_raised:
        lines.append(gettext("Resolved: %s") % timezones.format_local(alert.resolved_at))
    return channels.Text(f"CMC: {one_line(wire.clean(subject))}", "\n".join(map(wire.clean, lines)))


def send_test() -> Sent:
    """Send an example of each kind of alert by mail and to Slack, if configured.

    The numbers are invented, and each message says that it is a test. No alert is stored and no signal is
    sent. After a failure, the rest of the channel's messages is not sent.
    """
    done = Sent()
    with translation.override(settings.LANGUAGE_CODE):
        texts = [_test_text(alert) for alert in _examples()]
    for channel in channels.configured():
        if channel == AlertMessage.Channels.SIGNAL:
            continue
        for text in texts:
            try:
                channels.send(channel, text)
            except channels.NotSent as error:
                done.errors[channel] = str(error)
                break
            done.number += 1
    return done


def _examples() -> list[Alert]:
    numbers = {"mails": 100, "refused": 84, "usual": 0.02}
    rate = Alert(kind=Alert.Kinds.RATE, domain="example.com", numbers=numbers)
    return [rate, *(Alert(kind=each.kind, text=each.sentence) for each in problems.examples())]


def _test_text(alert: Alert) -> channels.Text:
    subject = gettext("Test: %s") % alert.sentence
    explanation = gettext("This is a test with invented numbers. Alerts will arrive here.")
    return channels.Text(f"CMC: {one_line(subject)}", f"{subject}\n{explanation}")
