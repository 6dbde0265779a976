"""All figures of storing: `python -m benchmarks`; DATABASE_URL names an empty database, emptied at the end.

Storing beside others, memory, the whole server, and on PostgreSQL growth up to `--events`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
django.setup()

from django.db import connection


def empty():
    """Drop all tables."""
    with connection.cursor() as cursor, connection.constraint_checks_disabled():
        cascade = " CASCADE" if connection.vendor == "postgresql" else ""
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"DROP TABLE {connection.ops.quote_name(table)}{cascade}")
    connection.close()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, nargs="*", default=[1_000_000, 5_000_000])
    parser.add_argument("--rounds", default="25")
    options = parser.parse_args()
    if connection.introspection.table_names():
        raise SystemExit("DATABASE_URL must name an empty database: all tables are dropped at the end.")
    steps = [["ingest", "--rounds", options.rounds], ["memory"], ["server"]]
    if connection.vendor == "postgresql" and options.events:
        steps.append(["growth", "--events", *map(str, options.events)])
    for name, *arguments in steps:
        print(f"\n## {name}\n", flush=True)
        try:
            subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments], check=True)  # noqa: S603 - our own
        finally:
            empty()


if __name__ == "__main__":
    main()
