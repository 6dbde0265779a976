"""Copies that follow the change feed miss nothing, whatever is killed, stalls or is left open.

CMC_FEED_CHANGES is the number of changes, CMC_SEED the seed of the dice.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
import time
from contextlib import closing, contextmanager

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from cmc_webhooks import feed, models
from cmc_webhooks.reprocessing import rebuild
from tests.faults import harness
from tests.faults.feed import COPIES

pytest.importorskip("rest_framework")
pytestmark = pytest.mark.django_db(transaction=True)

CHANGES = int(os.environ.get("CMC_FEED_CHANGES") or 300)
KILLS = max(4, CHANGES // 200)
WRITERS = 1 if connection.vendor == "sqlite" else 4


class Process:
    """A process of the experiment, which can be killed and started again."""

    def __init__(self, role, folder):
        self.role, self._folder, self._starts = role, folder, itertools.count()
        self.start()

    def start(self):
        database = {key: value for key, value in connection.settings_dict.items() if key != "TEST"}
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.faults.feed_project",
            "FAULTS_DATABASE": json.dumps({**database, "NAME": str(database["NAME"])}),
        }
        seed = f"{harness.SEED} {self.role} {next(self._starts)}"
        command = [sys.executable, "-m", "tests.faults.feed", self.role, str(self._folder), seed]
        self._process = subprocess.Popen(command, cwd=harness.ROOT, env=environment)  # noqa: S603 - our own words

    def is_running(self):
        return self._process.poll() is None

    def kill(self):
        self._process.kill()
        self._process.wait(30)

    def wait(self):
        assert self._process.wait(300) == 0, self.role


class Naive:
    """What follows the changes by their auto-increment: ids after the highest one that it has seen."""

    def __init__(self):
        self.seen = []

    def read(self):
        after = self.seen[-1] if self.seen else 0
        new = models.Change.objects.filter(id__gt=after).order_by("id")
        self.seen += new.values_list("id", flat=True)


@pytest.fixture
def processes(tmp_path, settings):
    settings.CMC_WEBHOOKS_CHANGE_FEED = True
    get_user_model().objects.create_superuser("copier")
    writers = [f"writer {number}" for number in range(WRITERS)]
    running = [Process(role, tmp_path) for role in (*writers, *COPIES)]
    yield running
    for each in running:
        each.kill()


@contextmanager
def a_write_left_open():
    """Leave a transaction that has written open in another database of the cluster, on PostgreSQL."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection._nodb_cursor() as cursor:
        assert cursor.connection.info.dbname != connection.settings_dict["NAME"]
        cursor.execute("BEGIN")
        cursor.execute("SELECT txid_current()")
        yield
        cursor.execute("ROLLBACK")


def until_more(processes, naive, number):
    """Wait for so many changes more than now."""
    target = models.Change.objects.count() + number
    while models.Change.objects.count() < target:
        assert all(each.is_running() for each in processes)
        naive.read()
        time.sleep(0.02)


class TestCopies:
    def test_that_are_killed_get_each_change_and_end_as_the_tables(self, processes, tmp_path):
        dice = random.Random(harness.SEED)  # noqa: S311 - the same dice each time
        naive = Naive()
        with a_write_left_open():
            for turn in range(KILLS):
                until_more(processes, naive, CHANGES // KILLS)
                time.sleep(dice.uniform(0, 0.1))
                victims = [each for each in processes if (each.role in COPIES) == (turn % 2 == 1)]
                victim = dice.choice(victims)
                victim.kill()
                victim.start()
            (tmp_path / "stop").touch()
            for each in processes[:WRITERS]:
                each.wait()
            rebuild.rebuild("default", models.Mail.objects.all())  # a writer may have been killed before
            (tmp_path / "end").touch()
            for each in processes[WRITERS:]:
                each.wait()
        naive.read()

        end = feed.state().seq
        numbers = [*models.Change.objects.order_by("seq").values_list("seq", flat=True)]
        assert numbers == [*range(1, end + 1)]
        for role, kind in COPIES.items():
            with closing(kind(tmp_path / role, dice)) as copy:
                assert copy.missed(end) == set(), role
                assert copy.rows() == dict(copy.walk()), role
        missed = end - len(naive.seen)
        print(f"\n{end} changes, {KILLS} kills, none missed; by an auto-increment {missed} would be missed")
