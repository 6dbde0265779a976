"""What memory storing takes: `python -m benchmarks.memory`, on the empty database that DATABASE_URL names.

The peak of one request (tracemalloc), and how the process grows from request 100 to 2,000.
"""

from __future__ import annotations

import tracemalloc
from pathlib import Path

from benchmarks import ingest, payloads  # sets Django up

# isort: split
from django.core.management import call_command

from cmc_webhooks import models

PAGE = 4096


def resident():
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def main():
    call_command("migrate", run_syncdb=True, verbosity=0)
    site = ingest.Site("/cmc/webhook", models.Mail, models.DeliveryEvent)
    grown = {}
    for number in range(2001):
        site.prepare(payloads.body(100 * number, 100, "queued"))()
        if number in (100, 2000):
            grown[number] = resident()
    peaks = []
    for number in range(2001, 2010):
        work = site.prepare(payloads.body(100 * number, 100, "queued"))
        tracemalloc.start()
        work()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    peak, growth = sorted(peaks)[4] / 1024, (grown[2000] - grown[100]) / 2**20
    print("| | measured | target | |\n|---|---|---|---|")
    print(f"| peak for 100 events, KiB | {peak:.0f} | <= 600 | {'met' if peak <= 600 else 'missed'} |")
    print(f"| growth, request 100 to 2,000, MiB | {growth:.2f} | < 2 | {'met' if growth < 2 else 'missed'} |")


if __name__ == "__main__":
    main()
