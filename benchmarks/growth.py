"""What storing costs in a history that grows: `python -m benchmarks.growth --events 1000000 5000000`.

DATABASE_URL names an empty database of PostgreSQL. It is measured empty, then at each size: the median of 100
new events, of 100 later ones, the bytes of indexes by event, and the WAL that a new event writes.
`--partitions` does it with the event tables by month.
"""

from __future__ import annotations

import argparse
import gc
import statistics as numbers
import time
from datetime import UTC, timedelta
from pathlib import Path

from benchmarks import history, ingest, payloads  # sets Django up

# isort: split
from django.core.management import call_command
from django.db import connection

from cmc_webhooks import models

ROUNDS = 25
NOW = payloads.START.replace(tzinfo=UTC)  # what is measured comes after the history


def value(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def cost(site, first, status):
    """The median of the milliseconds for 100 events, and the bytes of WAL for one."""
    spent, before = [], value("SELECT pg_current_wal_lsn()")
    for turn in range(ROUNDS):
        work = site.prepare(payloads.body(first + 100 * turn, 100, status))
        gc.collect()
        began = time.perf_counter()
        work()
        spent.append(1000 * (time.perf_counter() - began))
    written = value(f"SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '{before}')")
    return numbers.median(spent), int(written) / (100 * ROUNDS)


def index_bytes():
    """Of the tables of events, by event."""
    tables = [model._meta.db_table for model in (models.DeliveryEvent, models.BounceEvent)]
    total = sum(
        value(
            f"SELECT sum(pg_indexes_size(oid)) FROM pg_class WHERE relkind = 'r' AND relname LIKE '{table}%'"
        )
        for table in tables
    )
    return total / max(1, models.DeliveryEvent.objects.count() + models.BounceEvent.objects.count())


def partition():
    """Of the year of the history and of the one after it."""
    with connection.cursor() as cursor:
        cursor.execute(Path("docs/partitions.sql").read_text(), None)
        cursor.execute("SELECT cmc_partition(%s, 24)", [(NOW - timedelta(days=history.DAYS)).date()])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000, 5_000_000])
    parser.add_argument("--partitions", action="store_true")
    options = parser.parse_args()
    sizes = [0, *sorted(options.events)]
    call_command("migrate", run_syncdb=True, verbosity=0)
    if options.partitions:
        partition()
    site = ingest.Site("/cmc/webhook", models.Mail, models.DeliveryEvent)
    print("| events | 100 new, ms | of empty | 100 later, ms | of empty | index bytes by event | WAL bytes |")
    print("|---|---|---|---|---|---|---|")
    empty = None
    for place, size in enumerate(sizes):
        if size:
            history.fill(
                size - sizes[place - 1], first=100_000_000 * place, end=NOW, progress=lambda text: None
            )
            with connection.cursor() as cursor:
                cursor.execute("VACUUM ANALYZE")
                cursor.execute("CHECKPOINT")
        size_of_indexes = index_bytes() if size else 0
        first = 10_000_000 * (place + 1)
        cost(site, first + 5_000_000, "queued")  # to warm up
        new, wal = cost(site, first, "queued")
        later, _ = cost(site, first, "succeeded")
        empty = empty or (new, later)
        print(
            f"| {size:,} | {new:.1f} | {new / empty[0]:.2f} | {later:.1f} | {later / empty[1]:.2f}"
            f" | {size_of_indexes:.0f} | {wal:.0f} |"
        )


if __name__ == "__main__":
    main()
