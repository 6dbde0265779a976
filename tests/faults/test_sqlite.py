"""SQLite: eight processes write at once, and the disk is full."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.db import connection
from django.db.backends.signals import connection_created

from cmc_webhooks import models
from tests.conftest import delivery, notification
from tests.faults import harness

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite alone"),
]

WRITER = """
import random, sys
import django; django.setup()
from django.test import Client
from tests.conftest import delivery, notification

dice = random.Random(int(sys.argv[1]))
answers = []
for number in range(int(sys.argv[2])):
    mails = [f"<m{dice.randrange(50)}@x>" for _ in range(20)]
    word = dice.choice(["queued", "deferred", "succeeded"])
    body = notification("deliveries", *(delivery(mail, status=word) for mail in mails))
    answers.append(Client().generic("POST", "/cmc/webhook", body, "application/json").status_code)
print(*answers)
"""


class TestEightProcesses:
    def test_are_all_answered_200(self, tmp_path):
        server = harness.Server(tmp_path)
        writers = [
            subprocess.Popen(  # noqa: S603 - our own words
                [sys.executable, "-c", WRITER, str(seed), str(2 * harness.FAULTS)],
                cwd=harness.ROOT,
                env=server.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for seed in range(8)
        ]
        said = [writer.communicate(timeout=300) for writer in writers]

        answers = [answer for out, _ in said for answer in out.split()]
        print(f"\n{len(answers)} notifications of 20 by 8 processes: {sorted(set(answers))}")
        assert answers == ["200"] * (16 * harness.FAULTS)
        assert "locked" not in "".join(err for _, err in said)
        assert [mail for mail in models.Mail.objects.all() if mail.status != harness.oracle(mail)] == []
        harness.check(server, [])


class TestFullDisk:
    def test_is_told_and_completed_when_there_is_room(self, hook):
        with connection.cursor() as cursor:
            cursor.execute("VACUUM")  # no page that was freed by an earlier test is left to fill
            cursor.execute("PRAGMA page_count")
            pages = cursor.fetchone()[0]

        def limit(connection, **kwargs):
            connection.cursor().execute(f"PRAGMA max_page_count = {pages + 5}")

        limit(connection)
        connection_created.connect(limit)
        events = [delivery(f"<{number}@x>", reason="x" * 2000) for number in range(100)]
        try:
            full = hook.post(notification("deliveries", *events))
            stored_then = models.Mail.objects.count(), models.DeliveryEvent.objects.count()
        finally:
            connection_created.disconnect(limit)
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA max_page_count = 1073741823")
        roomy = hook.post(notification("deliveries", *events))

        assert full.status_code == 503
        assert "Retry-After" in full.headers
        assert stored_then == (0, 0)
        assert roomy.json() == {"new": 100, "repeated": 0, "rejected": 0}
