"""The process ends at each named point of an ingest: before, between and after its steps and receivers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from cmc_webhooks import models
from cmc_webhooks.conf import app_settings
from cmc_webhooks.store import writers
from tests.conftest import delivery, notification
from tests.faults import harness

pytestmark = pytest.mark.django_db(transaction=True)

# What `writer_for` returns, without asking the database which MySQL it is
CHOSEN = writers._FAST[connection.vendor] if app_settings.raw_sql else writers.PORTABLE
MODULE = sys.modules[type(CHOSEN).__module__]
NAME = next(name for name, value in vars(MODULE).items() if value is CHOSEN)
STORE = MODULE.__name__.removeprefix("cmc_webhooks.")
WRITER = f"{STORE}.{NAME}"
INSIDE = {
    "store.orm": {
        "after the notification": ("store.orm.insert", "after", 1),
        "after the events": ("store.orm.insert", "after", 2),
        "after the merge": ("store.orm.update_mails", "after", 1),
        "after the counts": ("store.orm.count", "after", 1),
    },
    "store.sql": {
        "after the notification": ("store.sql._insert", "after", 1),
        "after the mails": ("store.sql._insert", "after", 2),
        "after the events": ("store.sql._insert", "after", 3),
        "after the merge": ("store.sql._update", "after", 1),
        "after the counts": ("store.sql.count", "after", 1),
    },
}
# Where the process ends: the function that is not reached or not left, and the how manyth call of it.
POINTS = {
    "before the transaction": ("transactions.atomic", "before", 1),
    "after the known keys are read": (f"{WRITER}.known", "after", 1),
    "before the mails are locked": (f"{WRITER}.lock", "before", 1),
    "after the mails are locked": (f"{WRITER}.lock", "after", 1),
    "after the outbox": ("dispatch.enqueue", "after", 1),
    "after the rejections": ("store.rejections.reject", "after", 1),
    **INSIDE.get(STORE, {}),
    "after all is written": (f"{WRITER}.write", "after", 1),
    "after the commit": ("dispatch.send", "before", 1),
    "before receiver 1": ("calls.send", "before", 1),
    "between two receivers of a call": ("receivers._call", "after", 1),
    "after receiver 1 of 25": ("calls.send", "after", 1),
    "after receiver 25": ("calls.send", "after", 25),
    "before the first row is deleted": ("store.outbox.complete", "before", 1),
    "after the first row is deleted": ("store.outbox.complete", "after", 1),
    "before the last row is deleted": ("store.outbox.complete", "before", 2),
    "after the last row is deleted": ("store.outbox.complete", "after", 2),
    "after the answer is sent": ("maintenance.run_if_due", "after", 1),
}

SCRIPT = """
import functools, os, sys
import django; django.setup()
from cmc_webhooks import dispatch, maintenance, store
from cmc_webhooks.db import transactions
from cmc_webhooks.dispatch import calls, receivers
from cmc_webhooks.store import writers
from django.test import Client

path, when, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
owner, name = functools.reduce(getattr, path.split(".")[:-1], sys.modules["__main__"]), path.split(".")[-1]
real, counted = getattr(owner, name), []

def deadly(*arguments, **options):
    counted.append(1)
    if len(counted) == number and when == "before":
        os._exit(9)
    result = real(*arguments, **options)
    if len(counted) == number:
        os._exit(9)
    return result

setattr(owner, name, deadly)
Client().generic("POST", "/cmc/webhook", sys.stdin.buffer.read(), "application/json")
"""
BODY = notification("deliveries", *(delivery(f"<m{number}@x>") for number in range(20)), "odd")


class TestPoint:
    @pytest.mark.parametrize("point", POINTS)
    def test_leaves_all_or_nothing_and_a_repeat_completes_it(self, tmp_path, point):
        server = harness.Server(tmp_path)
        ended = subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-c", SCRIPT, *map(str, POINTS[point])],
            input=BODY,
            cwd=Path(harness.ROOT),
            env=server.environment | {"PATH": os.environ["PATH"]},
            timeout=60,
            capture_output=True,
        )
        events = models.DeliveryEvent.objects.count()
        committed = list(POINTS).index(point) >= list(POINTS).index("after the commit")

        assert ended.returncode == 9, ended.stderr
        assert events == models.Mail.objects.count() == (20 if committed else 0)
        assert models.Notification.objects.count() == models.RejectedEvent.objects.count() == committed

        server.start()
        answer = harness.request(server.port, "POST", BODY)
        server.kill()
        harness.check(server, [BODY], in_flight=1)

        told = [line.split()[1] for line in server.noted() if line.startswith("event ")]
        assert answer == 200
        assert len(set(told)) == 20
        assert models.DeliveryEvent.objects.count() == 20
        # at least once: those that were told when the process ended are told again
        assert 20 <= len(told) <= 20 + 25
        assert models.RejectedEvent.objects.count() == 1
