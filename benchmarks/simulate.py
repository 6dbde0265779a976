"""Events a second that the simulator sends: `python -m benchmarks.simulate`.

DATABASE_URL names an empty database. To a sink that reads and answers, for what the simulator itself can do,
and to the app under gunicorn with two workers. Median of three turns, four senders, all on the same machine.
"""

from __future__ import annotations

import asyncio
import os
import re
import statistics as numbers
import sys
import time
from datetime import datetime

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
django.setup()

from django.core.management import call_command

from benchmarks.payloads import KEY
from benchmarks.server import served, started
from cmc_webhooks.simulator import plan as plans
from cmc_webhooks.simulator import sender
from cmc_webhooks.simulator.credentials import Credentials

TURNS = 3
START = datetime(2026, 11, 1)  # noqa: DTZ001 - CMC's wall clock
RUNS = {
    "100 events as JSON": (100_000, {}),
    "100 events as a form": (100_000, {"form": True}),
    "the same with repeats and out of order": (100_000, {"form": True, "duplicates": 0.05, "reorder": True}),
    "1 event as JSON": (10_000, {"batch": 1}),
}
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Sink(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.buffer = transport, bytearray()

    def data_received(self, data):
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end >= 0 and len(self.buffer) >= end + 4 + int(LENGTH.search(self.buffer)[1]):
            self.buffer.clear()
            self.transport.write(ANSWER)


async def sink(port):
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


def rate(port, seed, events, options):
    """Events a second, and the median and the 99th percentile of the answers' milliseconds."""
    tally = sender.Tally()
    plan = plans.Plan(seed=seed, start=START, events=events, **options)
    target = sender.Target.of(f"http://127.0.0.1:{port}/cmc/webhook")
    sender.post_all(target, plans.posts(plan, Credentials(api_key=KEY)), tally)
    assert tally.failed == 0, tally.answers
    return tally.events / tally.seconds, tally.latency(0.5) * 1000, tally.latency(0.99) * 1000


def main():
    if sys.argv[1:2] == ["--sink"]:
        asyncio.run(sink(int(sys.argv[2])))
    call_command("migrate", run_syncdb=True, verbosity=0)
    print("| events a second (milliseconds: median, p99) | to a sink | to the app |\n|---|---|---|")
    seed = time.time_ns()
    with started(["benchmarks.simulate", "--sink", "{port}"]) as nobody, served() as app:
        for name, (events, options) in RUNS.items():
            cells = []
            for port, share in ((nobody, 1), (app, 5)):
                turns = [rate(port, seed + turn, events // share, options) for turn in range(TURNS)]
                cells.append("{:.0f} ({:.3g}, {:.3g})".format(*map(numbers.median, zip(*turns, strict=True))))
            seed += TURNS
            print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
