from __future__ import annotations

import os

from django.apps import AppConfig


class FaultsConfig(AppConfig):
    """Notes each signal in a file, a line each, so that nothing of it is lost with the process."""

    name = "tests.faults"
    label = "faults"

    def ready(self) -> None:
        from cmc_webhooks import signals

        notes = os.open(os.environ["FAULTS_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

        def note_event(event, **kwargs):
            os.write(notes, f"event {event.pk}\n".encode())

        def note_change(mail, new, version, **kwargs):
            os.write(notes, f"change {mail.pk} {version} {new}\n".encode())

        signals.event_recorded.connect(note_event, weak=False)
        signals.status_changed.connect(note_change, weak=False)
