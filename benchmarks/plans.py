"""What plans made for empty tables cost: `python -m benchmarks.plans --batches 1000`.

DATABASE_URL names a server: two databases are made beside the one it names, and removed. In the first one,
batches of 100 new events are stored over one kept connection, in tables that VACUUM has seen empty and
ANALYZE has never seen (autovacuum is off for them). Then batches of 100 later events of these mails are
stored, and at last the mails are pruned over another kept connection, which has pruned the first ones when
the tables were nearly empty. The second one gets the same over connections that are opened after an
ANALYZE. Two processes take turns, batch by batch, so that what slows the machine down slows both. The
figure is the largest ratio of the medians of ten consecutive batches; the target is 1.5 at most. `--keep`
measures what it would be if plans were kept. On MariaDB and SQLite, which keep no such plans, the kept
connections alone are compared with ANALYZE.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics as numbers
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks import ingest, payloads  # sets Django up

# isort: split
from django.core.management import call_command
from django.db import connection, connections

from cmc_webhooks import models, retention
from cmc_webhooks.db import session

WINDOW = 10
TABLES = (models.Mail, models.DeliveryEvent, models.BounceEvent, models.Notification, models.MailCount)
PRUNER = "pruner"
"""Alias of the other connection to the same database."""


def execute(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)


def analyse():
    """Give the planner statistics, and the app new connections."""
    for model in TABLES:
        words = "ANALYZE TABLE" if connection.vendor == "mysql" else "ANALYZE"
        execute(f"{words} {model._meta.db_table}")
    connections.close_all()


def new_tables():
    """The app's tables, new and empty, as autovacuum leaves them."""
    call_command("migrate", verbosity=0)
    call_command("migrate", "cmc_webhooks", "zero", verbosity=0)
    call_command("migrate", verbosity=0)
    if connection.vendor == "postgresql":
        for model in TABLES:
            execute(f"ALTER TABLE {model._meta.db_table} SET (autovacuum_enabled = off)")
            execute(f"VACUUM {model._meta.db_table}")
    connections.close_all()


class Turns:
    """The turns that the parent process gives. Only what is done between `wait` and `done` counts."""

    def __init__(self, *, analysed):
        self.analysed = analysed
        self._began = 0.0

    def wait(self, *, analyse_first=False):
        """Wait for the next turn."""
        sys.stdin.readline()
        if self.analysed and analyse_first:
            analyse()
        gc.collect()
        self._began = time.perf_counter()

    def done(self, work, number=100):
        """Report the milliseconds of this turn for each 100 rows."""
        spent = 100_000 * (time.perf_counter() - self._began) / number
        print(json.dumps([work, spent]), flush=True)


def play(batches, turns):
    """Store and prune the batches, one in each turn."""
    new_tables()
    site = ingest.Site("/cmc/webhook", models.Mail, models.DeliveryEvent)
    site.prepare(payloads.body(10**7, 100, "queued"))()
    prune(lambda number: None)
    for work, status in (("new events", "queued"), ("later events", "succeeded")):
        for number in range(batches):
            ask = site.prepare(payloads.body(100 * number, 100, status))
            turns.wait(analyse_first=number in (1, 3, *range(10, batches, 50)))
            ask()
            turns.done(work)
    turns.wait(analyse_first=True)

    def progress(number):
        if number:
            turns.done("pruned mails", number)
            turns.wait()

    prune(progress)
    turns.done("end")
    assert not models.Mail.objects.exists()


class Steady(retention.Pace):
    """Batches of one size: smaller ones would cost more for each mail."""

    def after(self, took):
        pass


def prune(progress):
    until = datetime.now(UTC) + timedelta(days=1)
    retention.prune(PRUNER, "mails", until, pace=Steady(batch=retention.FIRST), progress=progress)


def in_turns(batches, *, keep):
    """Return the milliseconds of each batch, by kind of work, of both processes."""
    sides = {"kept": {}, "analysed": {}}
    with databases(sides) as urls:
        players = {
            side: subprocess.Popen(  # noqa: S603 - our own words
                [sys.executable, "-m", "benchmarks.plans", f"--batches={batches}", f"--play={side}"]
                + ["--keep"] * keep,
                env=os.environ | {"DATABASE_URL": urls[side]},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for side in sides
        }
        try:
            while players:
                for side, player in [*players.items()]:
                    player.stdin.write("go\n")
                    player.stdin.flush()
                    work, spent = json.loads(player.stdout.readline())
                    if work == "end":
                        player.communicate()
                        del players[side]
                    else:
                        sides[side].setdefault(work, []).append(spent)
        finally:
            for player in players.values():
                player.kill()
    return sides


@contextmanager
def databases(names):
    """Make an empty database for each name; give their URLs."""
    url, place = os.environ["DATABASE_URL"], connection.settings_dict["NAME"]
    try:
        for name in names:
            remove(f"{place}_{name}")
            if connection.vendor != "sqlite":
                execute(f"CREATE DATABASE {place}_{name}")
        connections.close_all()
        yield {name: f"{url}_{name}" for name in names}
    finally:
        for name in names:
            remove(f"{place}_{name}")


def remove(database):
    if connection.vendor == "sqlite":
        for suffix in ("", "-wal", "-shm"):
            Path(f"{database}{suffix}").unlink(missing_ok=True)
    else:
        execute(f"DROP DATABASE IF EXISTS {database}")


def windows(spent):
    return [numbers.median(spent[place : place + WINDOW]) for place in range(len(spent) - WINDOW + 1)]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batches", type=int, default=1000)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--play", choices=["kept", "analysed"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.play:
        if options.keep:
            session.PLAN_USES, session.PLAN_SECONDS = 10**9, 1e9
        connections.settings[PRUNER] = connections.settings["default"] | {"CONN_MAX_AGE": None}
        play(options.batches, Turns(analysed=options.play == "analysed"))
        return
    sides = in_turns(options.batches, keep=options.keep)
    kept, analysed = sides["kept"], sides["analysed"]
    print(f"{connection.display_name}, {options.batches:,} batches of 100\n")
    print("| | kept connection, ms | after ANALYZE, ms | largest ratio | last ratio |")
    print("|---|---|---|---|---|")
    for work in kept:
        one, other = windows(kept[work]), windows(analysed[work])
        ratios = [some / others for some, others in zip(one, other, strict=False)]
        print(
            f"| {work} | {numbers.median(one):.1f} | {numbers.median(other):.1f}"
            f" | {max(ratios):.2f} | {ratios[-1]:.2f} |"
        )


if __name__ == "__main__":
    main()
