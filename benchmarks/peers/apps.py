from __future__ import annotations

import os
import time

from django.apps import AppConfig


class PeersConfig(AppConfig):
    name = "benchmarks.peers"

    def ready(self) -> None:
        """A receiver that takes so many milliseconds, if a variant of `server` asks for one."""
        if taking := float(os.environ.get("BENCHMARK_RECEIVER", "0")):
            from cmc_webhooks.signals import event_recorded

            event_recorded.connect(lambda **fact: time.sleep(taking / 1000), weak=False)


def wake_nobody() -> None:
    """For the deferred mode: workers are left out."""
