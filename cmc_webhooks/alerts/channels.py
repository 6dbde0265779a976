"""The channels of alerts: signals, mail, and a Slack-compatible webhook. Each has a time limit."""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import threading
from contextlib import suppress
from json import dumps
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.core import mail
from django.core.mail import EmailMessage
from django.db import connections

from cmc_webhooks import logs, signals
from cmc_webhooks.conf import app_settings, is_safe_url
from cmc_webhooks.models import Alert, AlertMessage

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NotSent", "Text", "configured", "send"]

logger = logging.getLogger(__name__)

STEP_SECONDS = 5.0
"""Time for a connection, and for each part of an answer."""
SECONDS = 10.0
"""Time for a whole message to Slack."""
MAIL_SECONDS = 20.0
"""Time for a whole mail. The mail backend is the project's, so that it runs in a thread."""
_OK = range(200, 300)
_NO_THREAD = "no further thread can be started"

_mailing = threading.Lock()
"""Held by the thread that sends a mail, even after the caller has stopped waiting for it."""


class NotSent(Exception):
    """A message could not be sent. The text names neither the URL nor what a server said."""


class Text(NamedTuple):
    """A message: one line, and the lines of its body."""

    subject: str
    body: str


def configured() -> list[str]:
    """Return the channels that the settings name. Signals are always sent."""
    channels = [AlertMessage.Channels.SIGNAL.value]
    if app_settings.alert_emails:
        channels.append(AlertMessage.Channels.MAIL.value)
    if app_settings.alert_slack_url:
        channels.append(AlertMessage.Channels.SLACK.value)
    return channels


def send(channel: str, text: Text, alert: Alert | None = None, event: str = "") -> None:
    """Send a message on a channel.

    Raises:
        NotSent: it was not sent, or not confirmed in time.
    """
    if channel == AlertMessage.Channels.SIGNAL:
        if alert is not None:
            _signal(alert, event)
    elif channel == AlertMessage.Channels.MAIL:
        _mail(text)
    else:
        _slack(text)


def _signal(alert: Alert, event: str) -> None:
    is_raised = event == AlertMessage.Events.RAISED
    signal = signals.alert_raised if is_raised else signals.alert_resolved
    failed = [
        error for _, error in signal.send_robust(sender=Alert, alert=alert) if isinstance(error, Exception)
    ]
    for error in failed:
        logger.error(
            "A receiver of an alert failed",
            exc_info=logs.without_text(error),
            extra={"cmc_event": "alert_receiver_failed"},
        )
    if failed:
        raise NotSent(type(failed[0]).__name__)


def _mail(text: Text) -> None:
    if not app_settings.alert_emails:
        raise NotSent("CMC_WEBHOOKS_ALERT_EMAILS is not set")
    message = EmailMessage(
        text.subject, text.body, from_email=settings.SERVER_EMAIL, to=list(app_settings.alert_emails)
    )
    if not _mailing.acquire(blocking=False):
        raise NotSent("the previous mail is still being sent")
    failures = _in_thread(lambda: _send_mail(message))
    if failures is None:
        raise NotSent(f"the mail server took longer than {MAIL_SECONDS:g} s")
    if failures:
        error = failures[0]
        raise error if isinstance(error, NotSent) else NotSent(type(error).__name__)


def _send_mail(message: EmailMessage) -> None:
    # Django 6.1 deprecates `get_connection`
    connection: Any = mail.mailers.default if hasattr(mail, "mailers") else mail.get_connection()
    backend = vars(connection).get("_backend", connection)  # of `email_backend.SuppressingBackend`
    if getattr(backend, "timeout", 0) is None:  # SMTP without EMAIL_TIMEOUT would wait for ever
        backend.timeout = STEP_SECONDS
    if not connection.send_messages([message]):
        raise NotSent("the mail backend sent nothing")


def _in_thread(work: Callable[[], None]) -> list[Exception] | None:
    """Run `work`, and return the exception that it raised, if any. None if it still runs after the time.

    `_mailing` is released at its end.
    """
    failures: list[Exception] = []

    def run() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - any backend, any exception
            failures.append(error)
        finally:
            connections.close_all()
            _mailing.release()

    thread = threading.Thread(target=run, name="cmc-alert-mail", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        _mailing.release()
        raise NotSent(_NO_THREAD) from None
    thread.join(MAIL_SECONDS)
    return None if thread.is_alive() else failures


def _slack(text: Text) -> None:
    """POST a message. No redirect is followed, no proxy is used, and only the answer's status is read."""
    url = app_settings.alert_slack_url
    if not is_safe_url(url):
        raise NotSent("CMC_WEBHOOKS_ALERT_SLACK_URL is not a URL that begins with https://")
    try:
        parts = urlsplit(url)
        host, port, is_tls = parts.hostname or "", parts.port, parts.scheme == "https"
    except ValueError:  # the port is not a number
        raise NotSent("CMC_WEBHOOKS_ALERT_SLACK_URL is not a URL that begins with https://") from None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    body = dumps({"text": f"*{_escaped(text.subject)}*\n{_escaped(text.body)}"}).encode()
    try:
        status = _post(host, port, path, body, is_tls=is_tls)
    except TimeoutError:
        raise NotSent(f"no answer within {SECONDS:g} s") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotSent(type(error).__name__) from None
    if status not in _OK:
        raise NotSent(f"HTTP {status}")


def _escaped(text: str) -> str:
    """Return a text in which Slack sees no link, no mention and no channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _post(host: str, port: int | None, path: str, body: bytes, *, is_tls: bool) -> int:
    """Return the status of the answer.

    A server that answers byte by byte keeps each read within its time. The connection is therefore cut when
    the time for all of it is over.
    """
    opened: Any = socket.create_connection((host, port or (443 if is_tls else 80)), timeout=STEP_SECONDS)
    connection = http.client.HTTPConnection(host, port, timeout=STEP_SECONDS)
    is_late = threading.Event()
    try:
        if is_tls:
            context = ssl.create_default_context()
            opened = context.wrap_socket(opened, server_hostname=host, do_handshake_on_connect=False)
        cutter = threading.Timer(SECONDS, _cut, (opened, is_late))
        cutter.daemon = True
        try:
            cutter.start()
        except RuntimeError:
            raise NotSent(_NO_THREAD) from None
        try:
            if is_tls:
                opened.do_handshake()
            connection.sock = opened
            connection.request(
                "POST", path, body, {"Content-Type": "application/json", "Connection": "close"}
            )
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException, ValueError):
            if is_late.is_set():
                raise TimeoutError from None
            raise
        finally:
            cutter.cancel()
        if is_late.is_set():  # the headers were cut
            raise TimeoutError
        return status
    finally:
        connection.close()
        opened.close()


def _cut(opened: socket.socket, is_late: threading.Event) -> None:
    is_late.set()
    with suppress(OSError):
        socket.socket.shutdown(opened, socket.SHUT_RDWR)
