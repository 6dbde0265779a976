"""Cost of a health check with many pending signals or fetched rows: `python -m benchmarks.health`.

On the empty database that DATABASE_URL names. The rows that are due first hold 25 signals each, others one;
what is fetched came after the last notification that was posted.
"""

from __future__ import annotations

import argparse
import statistics
import time
from datetime import UTC, datetime

from benchmarks import ingest  # noqa: F401 - sets Django up

# isort: split
from django.core.management import call_command
from django.db import connection

from cmc_webhooks import models, wire
from cmc_webhooks.models import routing
from cmc_webhooks.monitoring import health

ROUNDS = 9
FULL_ROWS = 2_000
BORN_MS = 1_700_000_000_000
ITEM = ["status_changed", "deliveries", "0" * 32, "0" * 32, "queued", "succeeded", 2]


def fill(rows):
    for start in range(0, rows, 1_000):
        models.PendingSignal.objects.bulk_create(
            models.PendingSignal(
                id=wire.time_key(BORN_MS + number),
                items=[ITEM] * (25 if number < FULL_ROWS else 1),
                available_at=BORN_MS + number,
            )
            for number in range(start, min(start + 1_000, rows))
        )


def fill_fetched(rows):
    for start in range(0, rows, 1_000):
        models.Notification.objects.bulk_create(
            models.Notification(
                id=wire.time_key(BORN_MS + number),
                received_at=datetime.fromtimestamp((BORN_MS + number) / 1000, UTC),
                source="rest" if number else "webhook",
                event_type="deliveries", server_composition="pro", new=100, repeated=0, rejected=0,
            )
            for number in range(start, min(start + 1_000, rows))
        )  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    call_command("migrate", run_syncdb=True, verbosity=0)
    using = routing.write_alias()
    for state in ("nothing", "fetched", "pending", "dead"):
        if state == "pending":
            fill(rows)
        if state == "dead":
            models.PendingSignal.objects.update(state="dead")
        if state == "fetched":
            fill_fetched(rows)
        taken = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            now = health.look(using)
            taken.append((time.perf_counter() - started) * 1000)
        milliseconds = statistics.median(taken)
        counted = f"{now.pending} pending, {now.dead} dead, all: {now.counted_all}"
        print(
            f"{connection.vendor}, {rows} rows {state}: {milliseconds:.1f} ms ({counted})",
            flush=True,
        )


if __name__ == "__main__":
    main()
