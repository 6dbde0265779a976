"""How long pruning holds others up: `python -m benchmarks.prune --events 5000000`.

On the empty database that DATABASE_URL names (`--filled`: on a history that an earlier run has left). A
process beside it posts notifications all the time: of new mails, of old ones that may be going just then, of
blocks, and some with an event that is rejected. By kind: how long a batch's transaction took, which is the
longest that it can have held a lock, and how long the notifications took, beside those of the pauses: of each
ten seconds nothing is pruned in five. `--seconds` of pruning bound each kind.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import random
import statistics as numbers
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta

from benchmarks import history, payloads  # sets Django up

# isort: split
from django.db import connection
from django.test import RequestFactory

from cmc_webhooks import models, retention, wire
from cmc_webhooks.views import webhook

SHARE = 0.3
"""Of the year: what is older than the rest of it goes."""
SMALL = 150_000
"""Notifications, rejected events and blocks, each, that are old."""
TURN = 5.0
EVENTS = 10
JSON = "application/json"


class Enough(Exception):
    """The time for a kind is over."""


def add_small(before):
    """What the history has none or few of."""
    rows = {
        model: history.Writer(model)
        for model in (models.Notification, models.RejectedEvent, models.BlockEvent)
    }
    step = timedelta(days=30) / SMALL
    for number in range(SMALL):
        at = before - timedelta(days=40) + step * number
        key = history.key(at)
        told = {"event_type": "deliveries", "server_composition": "pro", "received_at": at}
        raw = json.dumps(payloads.event(number, "queued") | {"to": []}, ensure_ascii=False)
        rows[models.Notification].add(models.Notification(id=key, new=1, repeated=0, rejected=0, **told))
        rows[models.RejectedEvent].add(
            models.RejectedEvent(id=wire.rejection_key("deliveries", "pro", raw), position=0, raw=raw,
                                 error="event.deliveries[0]: to is not text", **told)
        )  # fmt: skip
        rows[models.BlockEvent].add(
            models.BlockEvent(id=key, notification_id=key, occurred_at=at, received_at=at, bounce_code="1",
                              address=f"blocked{number}@example.jp", occurrences="1", raw={"status": "1"})
        )  # fmt: skip
    for writer in rows.values():
        writer.flush()


def bodies(number, dice, going):
    """The next notification's: of ten events, half of them of old mails; each tenth of blocks."""
    if number % (10 * EVENTS) == 0:
        told = [{"email": f"new{number + place}@example.jp", "status": "1"} for place in range(EVENTS)]
        return "blocks", told
    told = [payloads.event(number + place, "queued") for place in range(EVENTS)]
    for event in told[EVENTS // 2 :]:
        mail = dice.choice(going)
        event |= {"messageId": mail["message_id"], "to": mail["recipient"], "status": "deferred"}
    if number % (5 * EVENTS) == 0:
        told[0] = {"number": number}
    return "deliveries", told


def post():
    """Post until told to stop, and print of each notification when it began and how many seconds it took."""
    logging.disable()
    dice, requests = random.Random(7), RequestFactory()
    oldest = models.Mail.objects.order_by("created_at").values("message_id", "recipient")
    going = list(oldest[: max(1, int(models.Mail.objects.count() * SHARE))][:: 1 + EVENTS])
    for number in itertools.count(900_000_000 + int(time.time()) % 10_000 * 10_000, EVENTS):
        event_type, told = bodies(number, dice, going)
        frame = {"api_key": payloads.KEY, "event_type": event_type, "server_composition": "pro"}
        body = json.dumps({**frame, "event": {event_type: told}})
        request = requests.post("/cmc/webhook", body, JSON)
        began = time.monotonic()
        answer = webhook(request)
        print(json.dumps([began, time.monotonic() - began]), flush=True)
        assert answer.status_code == 200, answer.content
        answer.close()  # a server does, when it has sent it


class Beside:
    """That process."""

    def __enter__(self):
        self.told = tempfile.TemporaryFile("w+")  # no pipe: nobody reads while it is pruned
        command = [sys.executable, "-m", "benchmarks.prune", "--post"]
        self.process = subprocess.Popen(command, stdout=self.told)  # noqa: S603 - our own words
        while not self.took([(0, time.monotonic())]):
            assert self.process.poll() is None
            time.sleep(0.1)
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()
        self.told.close()

    def took(self, times):
        """The seconds of the notifications that began in one of these times."""
        assert self.process.poll() is None, "the process that posts has ended"
        found = []
        with open(f"/proc/self/fd/{self.told.fileno()}") as lines:
            for line in lines:
                if line.endswith("\n"):
                    began, seconds = json.loads(line)
                    if any(first <= began < last for first, last in times):
                        found.append(seconds)
        return found


class Turns:
    """Times in which it is pruned, and those between in which nothing is."""

    def __init__(self, seconds):
        self.left, self.rows, self.busy, self.quiet = seconds, 0, [], []
        self.began = time.monotonic()

    def progress(self, done):
        """After each batch."""
        self.rows += done
        if time.monotonic() - self.began > min(TURN, self.left):
            self.end()
            self.began = time.monotonic()
            if self.left <= 0:
                raise Enough

    def end(self):
        now = time.monotonic()
        self.busy.append((self.began, now))
        self.left -= now - self.began
        time.sleep(TURN)
        self.quiet.append((now, time.monotonic()))


def prune(kind, before, seconds):
    """Prune for so long at most; the turns, and the seconds and rows of each batch's transaction."""
    spent, turns, prune_batch = [], Turns(seconds), retention._Held.prune

    def timed(held, keys):
        began = time.monotonic()
        try:
            return prune_batch(held, keys)
        finally:
            spent.append(time.monotonic() - began)

    retention._Held.prune = timed
    try:
        retention.prune("default", kind, before, progress=turns.progress)
        turns.end()
    except Enough:
        pass
    finally:
        retention._Held.prune = prune_batch
    return turns, spent


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
    parser.add_argument("--filled", action="store_true", help="the history is there")
    parser.add_argument("--post", action="store_true", help="be the process that posts")
    options = parser.parse_args()
    if options.post:
        post()
    before = datetime.now(UTC) - timedelta(days=history.DAYS * (1 - SHARE))
    if not options.filled:
        history.make(options.events)
        add_small(before)
        history.analyse()
    counted = ", ".join(
        f"{model.objects.count():,} {model._meta.verbose_name_plural}" for model in history.TABLES
    )
    print(f"{connection.display_name}: {counted}; medians, p99 and longest in ms\n")
    print("| kind | rows | rows a second | batches | over 200 ms | a batch's transaction"
          " | a notification beside it | one in the pauses |\n|---|---|---|---|---|---|---|---|")  # fmt: skip
    with Beside() as beside:
        for kind in retention.KINDS:
            turns, spent = prune(kind, before, options.seconds)
            rate = turns.rows / sum(last - first for first, last in turns.busy)
            slow = sum(seconds > 0.2 for seconds in spent)
            posted = (ms(beside.took(times)) for times in (turns.busy, turns.quiet))
            cells = f"{turns.rows:,}", f"{rate:,.0f}", f"{len(spent):,}", str(slow), ms(spent), *posted
            print(f"| {kind} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
