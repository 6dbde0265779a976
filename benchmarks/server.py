"""Requests a second, end to end: `python -m benchmarks.server`; DATABASE_URL names an empty database.

gunicorn with two workers, kept connections, four senders; the app and the naive webhook (`objects.create` in
one transaction) in turns of some seconds, at 100 events and at 1.
"""

from __future__ import annotations

import http.client
import itertools
import os
import socket
import statistics as numbers
import subprocess
import sys
import threading
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
django.setup()

from django.core.management import call_command

from benchmarks import payloads

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


def main():
    call_command("migrate", run_syncdb=True, verbosity=0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "-w", "2", "-k", "gthread", "--threads", "2", "-b"]
    server = subprocess.Popen(  # noqa: S603 - our own words
        [*command, f"127.0.0.1:{port}", "--log-level", "error", "benchmarks.wsgi:application"],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    try:
        time.sleep(3)
        print("| requests a second | cmc_webhooks | objects.create | ratio | target | |")
        print("|---|---|---|---|---|---|")
        for size, target in ((100, 3), (1, 0.6)):
            rates = {name: [] for name in PATHS}
            for turn in range(TURNS):
                for name in sorted(PATHS, reverse=bool(turn % 2)):
                    rates[name].append(rate(port, PATHS[name], size))
            ours, naive = (numbers.median(rates[name]) for name in PATHS)
            met = "met" if ours / naive >= target else "missed"
            events = "100 events" if size > 1 else "1 event"
            print(f"| {events} | {ours:.0f} | {naive:.0f} | {ours / naive:.2f} | >= {target} | {met} |")
    finally:
        server.terminate()
        server.wait(30)


if __name__ == "__main__":
    main()
