"""What storing a notification costs, beside the bare driver and what others would write instead.

`python -m benchmarks.ingest`; DATABASE_URL names an empty database of PostgreSQL, MariaDB or SQLite (a file
of its own by default). All contestants take the same bodies in turn, in an order that rotates; a figure is
the median of all rounds. Each is asked afterwards what it has stored. `--json FILE` keeps the figures,
`--chart FILE` draws those of 100 new events.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import os
import platform
import statistics as numbers
import tempfile
import time
from collections import defaultdict
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
os.environ.setdefault("DATABASE_URL", f"sqlite:///{tempfile.mkdtemp()}/benchmark.sqlite3")

import django

django.setup()

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.core.management import call_command
from django.db import connection

from benchmarks import chart, floors, payloads
from benchmarks.peers import models as peers
from cmc_webhooks import models, signals

FORM = "application/x-www-form-urlencoded"
SITE = WSGIHandler()


class Site:
    """A webhook of the project, from the request's bytes to the answer."""

    shift = 0

    def __init__(self, path, mails, events):
        self.path, self._mails, self._events = path, mails, events

    def prepare(self, body):
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": self.path,
            "CONTENT_TYPE": "application/json" if body.startswith(b"{") else FORM,
            "CONTENT_LENGTH": str(len(body)),
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.input": io.BytesIO(body),
            "wsgi.url_scheme": "http",
        }
        return lambda: self._ask(environ)

    def _ask(self, environ):
        answer = SITE.get_response(WSGIRequest(environ))
        assert answer.status_code == 200, answer.content

    def stored(self):
        mails = self._mails.objects.count() if self._mails else None
        return mails, self._events.objects.count()


class Floor:
    """The bare driver."""

    shift = 0

    def __init__(self):
        self.driver = {"postgresql": _postgresql, "sqlite": _sqlite, "mysql": _mariadb}[connection.vendor]()
        self.driver.make_tables()

    def prepare(self, body):
        return lambda: self.driver.receive(body)

    def stored(self):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT (SELECT count(*) FROM floor_mail), (SELECT count(*) FROM floor_deliveryevent)"
            )
            return cursor.fetchone()


class RepeatFloor(Floor):
    """The bare driver that knows that it is asked to look for repeats."""

    def __init__(self, floor):
        self.driver = floor.driver

    def prepare(self, body):
        return lambda: self.driver.repeat(body)


def _postgresql():
    import psycopg

    return floors.PostgreSQL(psycopg.connect(os.environ["DATABASE_URL"], autocommit=True))


def _sqlite():
    import sqlite3

    raw = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        raw.execute(f"PRAGMA {pragma}")
    return floors.SQLite(raw)


def _mariadb():
    import MySQLdb

    options = connection.get_connection_params()
    return floors.MariaDB(MySQLdb.connect(**options, autocommit=True))


class Heard(Site):
    """The project with a receiver on each signal that does nothing; other mails, since each is new once."""

    shift = 5_000_000

    def _ask(self, environ):
        connected = (signals.event_recorded, signals.status_changed)
        for signal in connected:
            signal.connect(_do_nothing)
        try:
            super()._ask(environ)
        finally:
            for signal in connected:
                signal.disconnect(_do_nothing)


def _do_nothing(**told):
    pass


def rounds(contestants, batches):
    """The milliseconds that each contestant took for each batch, but for the first ones."""
    spent = defaultdict(list)
    for turn, (first, *rest) in enumerate(batches):
        names = list(contestants)
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            contestant = contestants[name]
            work = contestant.prepare(payloads.body(first + contestant.shift, *rest[:2], form=rest[2]))
            gc.collect()
            began = time.perf_counter()
            work()
            spent[name].append(1000 * (time.perf_counter() - began))
    return {name: times[WARM_UP:] for name, times in spent.items()}


def measured(number):
    """By work and contestant the milliseconds of each round; and what is wrong with what was stored."""
    floor = Floor()
    ours = Site("/cmc/webhook", models.Mail, models.DeliveryEvent)
    once = {
        "get_or_create": Site("/peers/idempotent", peers.IdempotentMail, peers.IdempotentEvent),
        "a signal for each event": Site("/peers/signals", peers.SignalMail, peers.SignalEvent),
    }
    naive = {
        "objects.create": Site("/peers/naive", None, peers.NaiveEvent),
        "DRF, many=True": Site("/peers/drf", None, peers.DrfEvent),
    }
    both = {"bare driver": floor, "cmc_webhooks": ours}
    figures, wrong, stored = {}, [], [0, 0]

    def run(work, contestants, batches, mails=0, events=0):
        figures[work] = rounds(contestants, batches)
        stored[0] += mails * len(batches)
        stored[1] += events * len(batches)
        for name in contestants:
            told = contestants[name].stored()
            if name not in naive and work not in AFTER_ALL and told != tuple(stored):
                wrong.append(f"{work}: {name} has stored {told}, sent were {tuple(stored)}")

    def batches(start, size, status, *, form=False):
        return [(start + size * turn, size, status, form) for turn in range(number + WARM_UP)]

    new = batches(0, 100, "queued")
    run("100 new events", {**both, **once, **naive}, new, 100, 100)
    run("100 later events of known mails", {**both, **once, **naive}, batches(0, 100, "succeeded"), 0, 100)
    run("100 repeated events", {"bare driver": RepeatFloor(floor), "cmc_webhooks": ours, **once}, new)
    run("1 new event", {**both, **once, **naive}, batches(1_000_000, 1, "queued"), 1, 1)
    run(
        "100 new events, as a form",
        {**both, **once, **naive},
        batches(2_000_000, 100, "queued", form=True),
        100,
        100,
    )
    run("100 events of 50 mails", {**both, **once, **naive}, batches(3_000_000, 100, "mixed"), 50, 100)
    heard = Heard("/cmc/webhook", models.Mail, models.DeliveryEvent)
    run(RECEIVERS, {"cmc_webhooks": ours, "with receivers": heard}, batches(4_000_000, 100, "queued"))
    run(BOUNCES, {"cmc_webhooks": ours, **once}, batches(0, 100, "2"))
    sent = (number + WARM_UP) * 100
    if (
        models.BounceEvent.objects.count() != sent
        or models.Mail.objects.filter(status="bounced").count() != sent
    ):
        wrong.append("bounces are missing")
    return figures, wrong


def targets(figures):
    """What is asked for: the work, what is compared, the ratio or milliseconds, and the bound."""
    middle = {
        work: {name: numbers.median(times) for name, times in some.items()} for work, some in figures.items()
    }

    def ratio(work, over, under):
        return middle[work][over] / middle[work][under]

    new, later = "100 new events", "100 later events of known mails"
    again, one = "100 repeated events", "1 new event"
    ours, bare, once = "cmc_webhooks", "bare driver", "get_or_create"
    receivers = middle[RECEIVERS]["with receivers"] - middle[RECEIVERS][ours]
    if connection.vendor != "postgresql":
        return [(new, "of the bare driver", ratio(new, ours, bare), "<=", 2.5)]
    return [
        (new, "of the bare driver", ratio(new, ours, bare), "<=", 1.5),
        (new, "times faster than get_or_create", ratio(new, once, ours), ">=", 25),
        (new, "times faster than DRF", ratio(new, "DRF, many=True", ours), ">=", 6),
        (later, "of the bare driver", ratio(later, ours, bare), "<=", 1.8),
        (again, "of the bare driver", ratio(again, ours, bare), "<=", 1.5),
        (one, "of objects.create", ratio(one, ours, "objects.create"), "<=", 2),
        (one, "times faster than get_or_create", ratio(one, once, ours), ">=", 2),
        (RECEIVERS, "ms more", receivers, "<=", 4),
    ]


def show(figures, wrong):
    names = list(dict.fromkeys(name for some in figures.values() for name in some))
    print(f"| milliseconds | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for work, some in figures.items():
        cells = [f"{numbers.median(some[name]):.1f}" if name in some else "" for name in names]
        print(f"| {work} | {' | '.join(cells)} |")
    print("\n| work | | measured | target | |\n|---|---|---|---|---|")
    for work, what, value, sign, bound in targets(figures):
        met = value <= bound if sign == "<=" else value >= bound
        print(f"| {work} | {what} | {value:.2f} | {sign} {bound} | {'met' if met else 'missed'} |")
    print("\n" + ("\n".join(wrong) or "Everybody but objects.create and DRF stored each event once."))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--chart", type=Path)
    options = parser.parse_args()
    call_command("migrate", run_syncdb=True, verbosity=0)
    assert not models.Mail.objects.exists(), "DATABASE_URL must name an empty database"
    gc.freeze()
    figures, wrong = measured(options.rounds)
    print(f"{connection.display_name}, Django {django.__version__}, Python {platform.python_version()},"
          f" {os.cpu_count()} cores, medians of {options.rounds} rounds\n")  # fmt: skip
    show(figures, wrong)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    if options.chart:
        options.chart.write_text(
            chart.drawn({n: numbers.median(t) for n, t in figures["100 new events"].items()})
        )
    if wrong:
        raise SystemExit(1)


WARM_UP = 3
RECEIVERS, BOUNCES = "100 new events, one receiver on each signal", "100 bounces of known mails"
AFTER_ALL = (RECEIVERS, BOUNCES)

if __name__ == "__main__":
    main()
