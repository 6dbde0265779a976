from __future__ import annotations

import os
import signal
import time

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


class FaultsConfig(AppConfig):
    """Notes each signal in a file, a line each, so that nothing of it is lost with the process.

    A mail whose subject is the name of a fault gives the receiver that fault.
    """

    name = "tests.faults"
    label = "faults"

    def ready(self) -> None:
        from cmc_webhooks import signals

        notes = os.open(os.environ["FAULTS_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

        def note_event(event, mail, **kwargs):
            if mail and mail.subject in FAULTS:
                FAULTS[mail.subject]()
            os.write(notes, f"event {event.pk}\n".encode())

        def note_change(mail, new, version, **kwargs):
            os.write(notes, f"change {mail.pk} {version} {new}\n".encode())

        signals.event_recorded.connect(note_event, weak=False)
        signals.status_changed.connect(note_change, weak=False)
