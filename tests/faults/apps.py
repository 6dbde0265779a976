from __future__ import annotations

import os
import signal
import time
from typing import Any

from django.apps import AppConfig
from django.db import connection, transaction


def _kill():
    os.kill(os.getpid(), signal.SIGKILL)


def _raise():
    raise RuntimeError("a fault of the site's own")


def _break():
    """A statement that fails inside a block, and another one after it."""
    with transaction.atomic():
        try:
            connection.cursor().execute("SELECT no_such_column")
        except Exception:  # noqa: BLE001 - what careless receivers do
            connection.cursor().execute("SELECT 1")


def _begin():
    """A transaction that Django knows nothing of, never ended."""
    connection.cursor().execute("BEGIN")


def _enter():
    """A block that is entered and never left."""
    transaction.atomic().__enter__()
    connection.cursor().execute("SELECT 1")


FAULTS = {
    "kill": _kill,
    "raise": _raise,
    "break": _break,
    "begin": _begin,
    "enter": _enter,
    "no autocommit": lambda: transaction.set_autocommit(False),
    "close": connection.close,
    "sleep": lambda: time.sleep(0.5),
}


NAMES = ("faults.event", "faults.counted", "faults.change")


def connect(notes: int, faults: dict[str, Any] = FAULTS) -> None:
    """Connect receivers that note each call in a file, a line each, so that no line is lost with the process.

    Two receivers of `event_recorded` note the same events; only the first has faults.
    """
    from cmc_webhooks import signals

    def note_event(event, mail, **kwargs):
        if mail and mail.subject in faults:
            faults[mail.subject]()
        os.write(notes, f"event {event.pk}\n".encode())

    def count_event(event, **kwargs):
        os.write(notes, f"counted {event.pk}\n".encode())

    def note_change(mail, new, version, **kwargs):
        os.write(notes, f"change {mail.pk} {version} {new}\n".encode())

    signals.event_recorded.connect(note_event, weak=False, dispatch_uid=NAMES[0])
    signals.event_recorded.connect(count_event, weak=False, dispatch_uid=NAMES[1])
    signals.status_changed.connect(note_change, weak=False, dispatch_uid=NAMES[2])


def disconnect() -> None:
    """Disconnect these receivers."""
    from cmc_webhooks import signals

    for name in NAMES[:2]:
        signals.event_recorded.disconnect(dispatch_uid=name)
    signals.status_changed.disconnect(dispatch_uid=NAMES[2])


class FaultsConfig(AppConfig):
    """Notes each call of a receiver in a file.

    A mail whose subject is the name of a fault gives the receiver that fault.
    """

    name = "tests.faults"
    label = "faults"

    def ready(self) -> None:
        connect(os.open(os.environ["FAULTS_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT))
