"""How long pruning holds others up: `python -m benchmarks.prune --events 5000000`.

On the empty database that DATABASE_URL names. A process beside it posts notifications all the time: half of
their events are of new mails, half of old ones that may be going just then. By kind: how long a batch's
transaction took, which is the longest that it can have held a lock, and how long the notifications took,
beside the same without pruning just before. `--seconds` bounds each kind.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics as numbers
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

from benchmarks import history, payloads  # sets Django up

# isort: split
from django.db import connection
from django.test import Client, override_settings

from cmc_webhooks import models, retention

SHARE = 0.3
"""Of the year: what is older than the rest of it goes."""
QUIET = 10.0
EVENTS = 10
JSON = "application/json"


class Enough(Exception):
    """The time for a kind is over."""


def post():
    """Post until told to stop, and print of each notification when it ended and how long it took."""
    dice, client = random.Random(7), Client()
    oldest = models.Mail.objects.order_by("created_at").values("message_id", "recipient")
    going = list(oldest[: max(1, int(models.Mail.objects.count() * SHARE))][:: 1 + EVENTS])
    for number in itertools.count(900_000_000, EVENTS):
        told = [payloads.event(number + place, "queued") for place in range(EVENTS)]
        for event in told[EVENTS // 2 :]:
            mail = dice.choice(going)
            event |= {"messageId": mail["message_id"], "to": mail["recipient"], "status": "deferred"}
        frame = {"api_key": payloads.KEY, "event_type": "deliveries", "server_composition": "pro"}
        began = time.monotonic()
        answer = client.post("/cmc/webhook", json.dumps({**frame, "event": {"deliveries": told}}), JSON)
        ended = time.monotonic()
        assert answer.status_code == 200, answer.content
        print(json.dumps([ended, ended - began]), flush=True)


class Beside:
    """That process; `took(since)` are the seconds of notifications that ended since then."""

    def __enter__(self):
        command = [sys.executable, "-m", "benchmarks.prune", "--post"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own words
        self.process.stdout.readline()
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()

    def took(self, since):
        """What it printed up to now."""
        until, found = time.monotonic(), []
        while True:
            ended, seconds = json.loads(self.process.stdout.readline())
            if ended >= since:
                found.append(seconds)
            if ended > until:
                return found


def prune(kind, before, seconds):
    """Prune for so long at most; rows, seconds, and those of each batch's transaction."""
    spent, rows, until = [], 0, time.monotonic() + seconds
    let_go = retention._let_go

    def timed(*given):
        began = time.monotonic()
        try:
            return let_go(*given)
        finally:
            spent.append(time.monotonic() - began)

    def progress(done):
        nonlocal rows
        rows += done
        if time.monotonic() > until:
            raise Enough

    retention._let_go = timed
    began = time.monotonic()
    try:
        retention.prune("default", kind, before, progress=progress)
    except Enough:
        pass
    finally:
        retention._let_go = let_go
    return rows, time.monotonic() - began, spent


def ms(seconds):
    """The median, the 99th of 100 and the longest, in milliseconds."""
    if not seconds:
        return "none"
    ordered = sorted(seconds)
    of = numbers.median(ordered), ordered[int(0.99 * (len(ordered) - 1))], ordered[-1]
    return ", ".join(f"{1000 * each:.0f}" for each in of)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each kind")
    parser.add_argument("--post", action="store_true", help="be the process that posts")
    options = parser.parse_args()
    if options.post:
        post()
    history.make(options.events)
    history.analyse()
    before = datetime.now(UTC) - timedelta(days=history.DAYS * (1 - SHARE))
    print(f"{connection.display_name}, {options.events:,} events; median, p99 and longest in ms\n")
    print("| kind | rows | rows a second | a batch's transaction | a notification beside it | before |")
    print("|---|---|---|---|---|---|")
    with override_settings(CMC_WEBHOOKS_RETENTION={}), Beside() as beside:
        for kind in ("notifications", "personal", "events", "mails"):
            began = time.monotonic()
            time.sleep(QUIET)
            quiet = beside.took(began)
            began = time.monotonic()
            rows, seconds, spent = prune(kind, before, options.seconds)
            busy = beside.took(began)
            print(f"| {kind} | {rows:,} | {rows / seconds:,.0f} | {ms(spent)} | {ms(busy)} | {ms(quiet)} |")


if __name__ == "__main__":
    main()
