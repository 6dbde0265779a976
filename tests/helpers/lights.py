"""What an operator's lights say: `cmc_status`, the health view, the metrics and the overview."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from cmc_webhooks.dispatch import calls, retries

TOKEN = "t0ken-of-the-monitoring"


def lights(settings):
    """The exit code of `cmc_status`, the answer of the health view, and the numbers that both have."""
    settings.CMC_WEBHOOKS_HEALTH_TOKENS = [TOKEN]
    out, code = StringIO(), 0
    try:
        call_command("cmc_status", "--json", stdout=out)
    except CommandError as error:
        code = error.returncode
    said = json.loads(out.getvalue())
    answer = Client().get("/cmc/health", HTTP_AUTHORIZATION=f"Bearer {TOKEN}")
    return code, answer.status_code, said["dead"], said["rejected"]


def metric(settings, name):
    """The value of a gauge at a scrape."""
    pytest.importorskip("prometheus_client")
    settings.CMC_WEBHOOKS_HEALTH_TOKENS = [TOKEN]
    text = Client().get("/cmc/health/metrics", HTTP_AUTHORIZATION=f"Bearer {TOKEN}").content.decode()
    [line] = [each for each in text.splitlines() if each.startswith(f"{name} ")]
    return float(line.split()[1])


class Clock:
    """The clock of the outbox, which tests move."""

    def __init__(self, patch):
        self.ms = calls.now_ms()
        patch.setattr(calls, "now_ms", lambda: self.ms)

    def past_every_pause(self):
        """Move it on to when the next attempts are due."""
        self.ms += retries.FIRST_PAUSE_MS << retries.MAX_ATTEMPTS
