"""Requests a second, end to end: `python -m benchmarks.server`; DATABASE_URL names an empty database.

gunicorn with two workers, kept connections, four senders; the app and the naive webhook (`objects.create` in
one transaction) in turns of some seconds, at 100 events and at 1. `--variants` instead compares settings, and
`--receivers` what receivers cost that take their time, with and without the deferred mode.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import socket
import statistics as numbers
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
django.setup()

from django.core.management import call_command
from django.db import connection

from benchmarks import payloads
from cmc_webhooks.models import PendingSignal

SENDERS, SECONDS, TURNS = 4, 4, 5
PATHS = {"cmc_webhooks": "/cmc/webhook", "objects.create": "/peers/naive"}
JSON = {"Content-Type": "application/json"}
numbered = itertools.count(1)


def rate(port, path, size):
    """Requests a second of four senders, each with bodies made before."""
    per_sender = 4000 // size + 40 * SECONDS
    bodies = [
        [payloads.body(next(numbered) * 1000, size, "queued") for _ in range(per_sender)]
        for _ in range(SENDERS)
    ]
    answered, until = [], time.monotonic() + SECONDS

    def send(own):
        line = http.client.HTTPConnection("127.0.0.1", port)
        for body in own:
            if time.monotonic() >= until:
                break
            line.request("POST", path, body, JSON)
            answer = line.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            answered.append(time.monotonic())
        line.close()

    began = time.monotonic()
    threads = [threading.Thread(target=send, args=(own,)) for own in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(answered) / (max(answered) - began)


@contextmanager
def served(workers=2, environment=(), **database):
    """The port of a server whose database has these settings."""
    gunicorn = ["gunicorn", "-w", str(workers), "-k", "gthread", "--threads", "2", "--log-level", "error"]
    command = [*gunicorn, "benchmarks.wsgi:application", "-b", "127.0.0.1:{port}"]
    with started(command, BENCHMARK_DATABASE=json.dumps(database), **dict(environment)) as port:
        yield port


@contextmanager
def started(command, **environment):
    """The port of a Python module that is run in a process of its own; {port} stands for it in `command`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-m", *(word.format(port=port) for word in command)],
        env={**os.environ, "PYTHONPATH": os.getcwd(), **environment},
    )
    try:
        time.sleep(3)
        yield port
    finally:
        server.terminate()
        server.wait(30)


def beside_naive():
    print("| requests a second | cmc_webhooks | objects.create | ratio | target | |")
    print("|---|---|---|---|---|---|")
    with served() as port:
        for size, target in ((100, 3), (1, 0.6)):
            rates = {name: [] for name in PATHS}
            for turn in range(TURNS):
                for name in sorted(PATHS, reverse=bool(turn % 2)):
                    rates[name].append(rate(port, PATHS[name], size))
            ours, naive = (numbers.median(rates[name]) for name in PATHS)
            met = "met" if ours / naive >= target else "missed"
            print(
                f"| {size} event(s) | {ours:.0f} | {naive:.0f} | {ours / naive:.2f} | >= {target} | {met} |"
            )


def variants():
    """What settings are worth: requests a second of the app with each of them."""
    options = connection.settings_dict["OPTIONS"]
    pragmas = {**options, "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"}
    some = {"as in the example project": {}, "CONN_MAX_AGE = 0": {"CONN_MAX_AGE": 0}}
    some["one worker"], some["four workers"] = {"workers": 1}, {"workers": 4}
    if connection.vendor == "postgresql":
        some["a pool"] = {"CONN_MAX_AGE": 0, "OPTIONS": {"pool": True}}
        some["synchronous_commit = off"] = {"OPTIONS": {"options": "-c synchronous_commit=off"}}
    if connection.vendor == "sqlite":
        some["synchronous = FULL"] = {"OPTIONS": pragmas}
    compare(some)


def receivers():
    """What receivers cost that take so many milliseconds for each event; enqueued signals are thrown away."""
    some = {}
    for taking in (0, 1, 10):
        environment = {"BENCHMARK_RECEIVER": str(taking)}
        some[f"{taking} ms, inline"] = {"environment": environment}
        if taking:
            deferred = {**environment, "BENCHMARK_DISPATCH": "benchmarks.peers.apps.wake_nobody"}
            some[f"{taking} ms, deferred"] = {"environment": deferred}
    compare(some)


def compare(some):
    """Requests a second of the app, by variant."""
    rates = {name: {100: [], 1: []} for name in some}
    for _ in range(3):
        for name, how in some.items():
            PendingSignal._default_manager.all().delete()
            with served(**how) as port:
                for size in (100, 1):
                    rates[name][size].append(rate(port, PATHS["cmc_webhooks"], size))
    print("| requests a second | 100 events | 1 event |\n|---|---|---|")
    for name, by_size in rates.items():
        print(f"| {name} | {numbers.median(by_size[100]):.0f} | {numbers.median(by_size[1]):.0f} |")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variants", action="store_true", help="the app alone, with other settings")
    parser.add_argument("--receivers", action="store_true", help="the app alone, with slow receivers")
    options = parser.parse_args()
    call_command("migrate", run_syncdb=True, verbosity=0)
    if options.variants:
        variants()
    elif options.receivers:
        receivers()
    else:
        beside_naive()


if __name__ == "__main__":
    main()
