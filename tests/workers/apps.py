from __future__ import annotations

import os
from pathlib import Path

from django.apps import AppConfig


class WorkersConfig(AppConfig):
    """An app whose receivers write down what they were told and in which process."""

    name = "tests.workers"
    label = "workers"

    def ready(self) -> None:
        from cmc_webhooks import signals

        def note(signal, sender, event, new="", **kwargs):
            with Path(os.environ["WORKER_NOTES"]).open("a") as notes:
                notes.write(f"{sender.__name__} {event.pk} {new} {os.getpid()}\n")

        signals.event_recorded.connect(note, weak=False)
        signals.status_changed.connect(note, weak=False)
