"""A server in processes of its own, senders that remember what they were answered, and an oracle."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import connection

from cmc_webhooks import dispatch, event_types, models, wire
from cmc_webhooks.dispatch import outbox
from cmc_webhooks.statistics import recount
from tests.conftest import API_KEY, HOOK, bounce, delivery, notification
from tests.faults import apps

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
FAULTS = int(os.environ.get("CMC_FAULTS") or 10)
SEED = int(os.environ.get("CMC_SEED") or 16)
"""What decides when a server is killed, and which worker; threads and the machine decide the rest."""


class Server:
    """Gunicorn on the tests' database; can be killed as the kernel would do it."""

    def __init__(self, folder: Path, workers: int = 2, **database_settings: Any) -> None:
        self.workers = workers
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder = folder
        self.notes = folder / "notes"
        self.notes.touch()
        database = {key: value for key, value in connection.settings_dict.items() if key != "TEST"}
        database |= database_settings
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.faults.project",
            "FAULTS_DATABASE": json.dumps({**database, "NAME": str(database["NAME"])}),
            "FAULTS_NOTES": str(self.notes),
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }
        self.process: subprocess.Popen[bytes] | None = None
        self._dice = random.Random(SEED)  # noqa: S311 - the same dice each time

    def wait_a_moment(self) -> None:
        """Wait up to a tenth of a second, so that a fault finds the workers anywhere."""
        time.sleep(self._dice.uniform(0, 0.1))

    def start(self, command: list[str] | None = None) -> None:
        """Start gunicorn with threads, or the server of this command line."""
        threads = ["gunicorn", "-k", "gthread", "--threads", str(self.workers)]
        name, *options = command or threads
        workers, bind = ["--workers", str(self.workers)], ["-b", f"127.0.0.1:{self.port}"]
        if name == "gunicorn":
            options += [*workers, *bind, "tests.faults.wsgi:application"]
        else:
            options += ["--host", "127.0.0.1", "--port", str(self.port)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own words
                [sys.executable, "-m", name, *options],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if request(self.port, "OPTIONS", b"") == 200:
                    return
            time.sleep(0.02)
        raise AssertionError((self.folder / "log").read_text())

    def kill(self) -> None:
        """The whole server at once, as if the power was cut."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def kill_a_worker(self) -> None:
        """One worker; the other goes on, and gunicorn starts a new one."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        with contextlib.suppress(ProcessLookupError, IndexError):
            os.kill(int(self._dice.choice(children)), signal.SIGKILL)

    def noted(self) -> list[str]:
        """What the receivers were told, a line each."""
        return self.notes.read_text().splitlines()


class Senders:
    """Threads that post notifications without end, and keep those that were answered."""

    def __init__(self, port: int, number: int = 4, mails: int = 400, key: str = API_KEY) -> None:
        self.key = key
        self.answers: list[tuple[bytes, int]] = []
        self.failures = 0
        self._port, self._mails = port, mails
        self._stop = threading.Event()
        self._counter = itertools.count()
        self._threads = [threading.Thread(target=self._send, args=(seed,)) for seed in range(number)]

    def __enter__(self) -> Senders:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: Any) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def wait_for(self, answers: int) -> None:
        """Until that many more requests were answered."""
        target = len(self.answers) + answers
        until = time.monotonic() + 60
        while len(self.answers) < target:
            assert time.monotonic() < until, "the server answers no more"
            time.sleep(0.005)

    @property
    def acknowledged(self) -> list[bytes]:
        return [body for body, status in self.answers if status == 200]

    def _send(self, seed: int) -> None:
        dice = random.Random(seed)  # noqa: S311 - the same dice each time
        sent: list[tuple[str, list[dict[str, Any]]]] = []
        while not self._stop.is_set():
            event_type, events = dice.choice(sent) if sent and dice.random() < 0.2 else self._batch(dice)
            sent.append((event_type, events))
            body = notification(event_type, *events, api_key=self.key)
            try:
                self.answers.append((body, request(self._port, "POST", body)))
            except (OSError, http.client.HTTPException):
                self.failures += 1
                time.sleep(0.01)

    def _batch(self, dice: random.Random) -> tuple[str, list[dict[str, Any]]]:
        number = next(self._counter)
        mails = [f"<m{dice.randrange(self._mails)}@example.com>" for _ in range(dice.randint(1, 25))]
        created = f"2023-01-25 14:{number // 60 % 60:02}:{number % 60:02}"
        if dice.random() < 0.2:
            return "bounces", [
                bounce(mail, created=created, status=str(dice.randint(1, 9))) for mail in mails
            ]
        words = ["queued", "deferred", "succeeded", "failed"]
        return "deliveries", [delivery(mail, created=created, status=dice.choice(words)) for mail in mails]


def request(port: int, method: str, body: bytes) -> int:
    """One request to the webhook; the status of its answer."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        client.request(method, HOOK, body, {"Content-Type": "application/json"})
        return client.getresponse().status
    finally:
        client.close()


def keys_in(body: bytes) -> set[Any]:
    """The keys of the events of a notification."""
    return {record.key for record in wire.read(wire.decode(body), event_types.RECORD_TYPES, 1000).records}


def oracle(mail: models.Mail) -> str:
    """A mail's status by the words of the docs, not by the code."""
    if mail.bounce_events.exists():
        return "bounced"
    order = ["queued", "deferred", ("succeeded", "failed")]
    best = None
    for event in mail.delivery_events.all():
        phase = next(n for n, words in enumerate(order) if event.status in words)
        rank = (phase, event.occurred_at, event.status == "failed", str(event.pk))
        best = max(best, (rank, event.status)) if best else (rank, event.status)
    return best[1] if best else ""


def repeated(server: Server) -> int:
    """How many signal calls were made again, to one receiver or to all that had them already."""
    by_receiver = [Counter[str](), Counter[str]()]
    for line, times in Counter(server.noted()).items():
        is_second = line.startswith("counted ")
        by_receiver[is_second][line.replace("counted ", "event ")] = times - 1
    return (by_receiver[0] | by_receiver[1]).total()


@contextlib.contextmanager
def receivers(server: Server) -> Iterator[None]:
    """The server's receivers, without their faults, in this process."""
    notes = os.open(server.notes, os.O_WRONLY | os.O_APPEND)
    apps.connect(notes, faults={})
    try:
        yield
    finally:
        apps.disconnect()
        os.close(notes)


def check(server: Server, acknowledged: list[bytes], in_flight: int | None = None) -> dict[str, int]:
    """All that must hold after any fault; the figures of it.

    `in_flight` is the number of rows of the outbox that may have been in flight when processes were killed.
    """
    stored = {
        key
        for model in (models.DeliveryEvent, models.BounceEvent)
        for key in model.objects.values_list("pk", flat=True)
    }
    promised = set().union(*(keys_in(body) for body in acknowledged))
    enqueued = [item for row in models.PendingSignal.objects.all() for item in row.facts]
    told = {line.split()[1] for line in server.noted() if line.startswith("event ")}
    owed_events = {item["event"] for item in enqueued if item["signal"] == "event_recorded"}

    assert promised - stored == set(), "acknowledged, but not stored"
    assert {str(key) for key in stored} - told - owed_events == set(), "stored, but neither told nor enqueued"
    wrong = [mail for mail in models.Mail.objects.all() if mail.status != oracle(mail)]
    assert wrong == [], "a status that its events do not give"
    changes = {tuple(line.split()[1:3]) for line in server.noted() if line.startswith("change ")}
    changes |= {
        (item["mail"], str(item["version"])) for item in enqueued if item["signal"] == "status_changed"
    }
    for mail in models.Mail.objects.all():
        assert all((str(mail.pk), str(version)) in changes for version in range(1, mail.version + 1))

    assert recount.recount("default", recount.days("default"), check=True).wrong == 0, "counts"

    models.PendingSignal.objects.update(available_at=0)
    with receivers(server):
        dispatch.sweep("default")
    assert not models.PendingSignal.objects.exists()
    for name in ("event", "counted"):
        lines = {line.split()[1] for line in server.noted() if line.startswith(f"{name} ")}
        assert {str(key) for key in stored} == lines, "a receiver was not called"
    again = repeated(server)
    assert in_flight is None or again <= in_flight * outbox.CALLS_PER_ROW, "more than the rows in flight"
    return {
        "stored": len(stored),
        "acknowledged": len(acknowledged),
        "enqueued": len(enqueued),
        "repeated": again,
    }
