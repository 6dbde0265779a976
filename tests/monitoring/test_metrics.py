from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.db import connections

from cmc_webhooks import event_types, models, views
from cmc_webhooks.bounce_codes import BounceClass
from cmc_webhooks.db import transactions
from cmc_webhooks.monitoring import health, problems
from cmc_webhooks.status import DeliveryStatus
from tests.conftest import bounce, delivery, notification
from tests.helpers import factories, pages

prometheus_client = pytest.importorskip("prometheus_client")

from prometheus_client import REGISTRY, parser  # noqa: E402 - it may be missing

from cmc_webhooks.monitoring import metrics  # noqa: E402 - the same

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.django_db


def samples(text):
    """The values of an exposition by name and labels."""
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("cmc_webhooks_") and not sample.name.endswith(("_created", "_bucket"))
    }


@pytest.fixture
def counted():
    """What was counted since the start of the test."""
    before = samples(metrics.exposition().decode())

    def since():
        now = samples(metrics.exposition().decode())
        return {
            key[0].removeprefix("cmc_webhooks_") + str(key[1:]): now[key] - before.get(key, 0) for key in now
        }

    return since


class TestCount:
    def test_counts_what_a_notification_brought(self, hook, counted):
        hook.send("deliveries", delivery("<a@x>"), delivery("<b@x>", status="failed"), delivery("<c@x>"), 17)
        hook.send("deliveries", delivery("<a@x>"), delivery("<d@x>"))

        told = counted()

        assert told["notifications_total('deliveries',)"] == 2
        assert told["events_total('deliveries', 'queued')"] == 3
        assert told["events_total('deliveries', 'failed')"] == 1
        assert told["repeated_events_total('deliveries',)"] == 1
        assert told["rejected_events_total('deliveries',)"] == 1
        assert told["ingest_seconds_count('deliveries',)"] == 2
        assert 0 < told["ingest_seconds_sum('deliveries',)"] < 60

    def test_counts_bounces_by_their_class(self, hook, counted):
        hook.send("bounces", bounce("<a@x>"), bounce("<b@x>", status="3"), bounce("<c@x>", status="x"))

        told = counted()

        assert [told[f"events_total('bounces', '{kind}')"] for kind in ("hard", "soft", "unknown")] == [
            1,
            1,
            1,
        ]

    def test_counts_each_event_of_several_lists_under_its_own_type(self, hook, counted):
        event = {"deliveries": [delivery()], "bounces": [bounce()]}
        body = json.loads(notification("deliveries")) | {"event": event}

        hook.post(json.dumps(body).encode())

        told = counted()
        assert told["events_total('deliveries', 'queued')"] == 1
        assert told["events_total('bounces', 'hard')"] == 1

    def test_has_one_label_for_all_words_that_a_sender_makes_up(self, hook, counted):
        words = ["opened", "x" * 500, "", 'a"b\n', "QUEUED", "other"]
        hook.send("deliveries", *(delivery(f"<{n}@x>", status=word) for n, word in enumerate(words)))
        hook.send("opens", {})
        hook.send("clicks" * 50, {})

        told = counted()

        assert told["events_total('deliveries', 'other')"] == len(words)
        assert told["notifications_total('other',)"] == 2
        labels = {word for key in samples(metrics.exposition().decode()) for word in key[1:]}
        assert labels <= {
            *("deliveries", "bounces", "blocks", "other", "queued", "deferred", "succeeded", "failed"),
            *("hard", "soft", "policy", "message", "suppressed", "unknown"),
            *map(str, views._ANSWERS.values()),
            *problems.CODES,
            *models.RefusalCount.Reasons.values,
        }

    def test_harms_no_notification(self, hook, monkeypatch, caplog):
        def fail(receipt):
            raise OSError("no space left on device")

        monkeypatch.setattr(metrics._notifications, "labels", fail)

        answer = hook.send("deliveries", delivery())

        assert (answer.status_code, answer.json()["new"]) == (200, 1)
        assert [record.cmc_event for record in caplog.records] == ["metrics_failed"]


class TestCountRefusal:
    def test_counts_by_the_status_of_the_answer(self, hook, counted):
        hook.send("deliveries", delivery(), api_key="wrong")
        hook.send("deliveries", delivery(), api_key=None)
        hook.post(b"{")
        hook.client.get("/cmc/webhook")
        hook.client.options("/cmc/webhook")

        told = counted()

        assert [told[f"refusals_total('{code}',)"] for code in (403, 400, 405)] == [2, 1, 1]
        assert "refusals_total('200',)" not in told


class TestExposition:
    def test_begins_with_0_for_all_that_may_be_counted(self):
        told = samples(metrics.exposition().decode())

        kinds = (*event_types.EVENT_TYPES, "other")
        words = {"deliveries": (*DeliveryStatus.values, "other"), "bounces": BounceClass.values}
        events = {(kind, word) for kind in event_types.EVENT_TYPES for word in words.get(kind, ["other"])}
        codes = {str(code) for code in views._ANSWERS.values()}
        by_type = ("notifications_total", "repeated_events_total", "rejected_events_total")
        assert {
            *(("cmc_webhooks_events_total", *sorted(labels)) for labels in events),
            *((f"cmc_webhooks_{name}", kind) for name in by_type for kind in kinds),
            *(("cmc_webhooks_ingest_seconds_count", kind) for kind in kinds),
            *(("cmc_webhooks_refusals_total", code) for code in codes),
        } <= set(told)

    def test_shows_what_is_owed_and_how_long_cmc_is_silent(self):
        factories.PendingSignalFactory(items=[[]] * 3)
        factories.PendingSignalFactory(items=[[]], state="dead")
        factories.RejectedEventFactory()
        factories.NotificationFactory()

        told = samples(metrics.exposition().decode())

        assert told["cmc_webhooks_pending_signals",] == 3
        assert told["cmc_webhooks_dead_signals",] == 1
        assert told["cmc_webhooks_open_rejected_events",] == 1
        assert told["cmc_webhooks_oldest_pending_seconds",] > 1e6
        assert told["cmc_webhooks_silence_seconds",] > 1e6
        assert told["cmc_webhooks_database_up",] == 1

    def test_shows_problems_and_refused_requests(self, hook):
        factories.PendingSignalFactory(items=[[]], state="dead")
        for _ in range(2):
            hook.send("deliveries", delivery(), api_key="wrong")

        told = samples(metrics.exposition().decode())

        by_code = {code: told["cmc_webhooks_problem", code] for code in problems.CODES}
        assert {code for code, value in by_code.items() if value} == {"dead_signals", "refused_calls"}
        assert told["cmc_webhooks_refused_requests", "api_key"] == 2
        assert told["cmc_webhooks_refused_requests", "database"] == 0
        assert told["cmc_webhooks_future_receipts",] == 0

    def test_leaves_out_what_there_is_not(self):
        told = samples(metrics.exposition().decode())

        assert {("cmc_webhooks_silence_seconds",), ("cmc_webhooks_oldest_pending_seconds",)} & set(
            told
        ) == set()

    @pytest.mark.parametrize("error", [transactions.Unavailable("OperationalError"), RuntimeError("a bug")])
    def test_shows_all_else_where_the_database_is_away(self, hook, monkeypatch, caplog, error):
        def away(using):
            raise error

        hook.send("deliveries", delivery())
        monkeypatch.setattr(health, "look", away)

        told = samples(metrics.exposition().decode())

        assert told["cmc_webhooks_database_up",] == 0
        assert ("cmc_webhooks_pending_signals",) not in told
        assert told["cmc_webhooks_notifications_total", "deliveries"] > 0
        assert [record.cmc_event for record in caplog.records] == ["health_unread"]

    @pytest.mark.django_db(transaction=True)
    def test_may_be_asked_for_in_a_thread_that_serves_no_request(self):
        seen = []

        def work():
            seen.append(samples(prometheus_client.generate_latest(REGISTRY).decode()))
            seen.append(connections["default"].connection)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(timeout=60)

        assert seen[0]["cmc_webhooks_database_up",] == 1
        assert seen[1:] == [None]

    def test_fits_the_table_and_the_alerts_of_the_docs(self, hook):
        factories.PendingSignalFactory(items=[[]])
        hook.send("deliveries", delivery("<a@x>"), 17)
        hook.send("deliveries", delivery("<a@x>"), api_key="wrong")
        hook.send("deliveries", delivery("<a@x>"))
        chapter = pages.text("reference/metrics")

        told = {
            key[0].removesuffix("_count").removesuffix("_sum")
            for key in samples(metrics.exposition().decode())
        }

        named = set(re.findall(r"cmc_webhooks_[a-z_]+", chapter.replace("cmc_webhooks_health", "")))
        assert named == told, "reference/metrics.md"


SEVERAL = """
import json, os
from pathlib import Path
import django
django.setup()
from django.core.management import call_command
from django.test import Client
from tests.conftest import API_KEY, delivery, notification
call_command("migrate", verbosity=0)
left = [path.name for path in Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).glob("*")]
def look():
    answer = Client().get("/cmc/health/metrics", headers={"Authorization": "Bearer a-token-for-this-test"})
    return answer.status_code, answer.content.decode()
first = look()
for number in range(2):
    if os.fork() == 0:
        body = notification("deliveries", delivery(f"<{number}@x>"))
        answer = Client().generic("POST", "/cmc/webhook", body, "application/json")
        os._exit(answer.status_code != 200)
assert [os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(2)] == [0, 0]
print(json.dumps([left, first, look()]))
"""


class TestSeveralProcesses:
    def run(self, tmp_path, folder):
        settings = (
            "from tests.settings import *\n"
            f"DATABASES = {{'default': {{'ENGINE': 'django.db.backends.sqlite3', 'NAME': '{tmp_path}/db',"
            " 'OPTIONS': {'transaction_mode': 'IMMEDIATE', 'timeout': 20}}}\n"
            "CMC_WEBHOOKS_HEALTH_TOKENS = ['a-token-for-this-test']\n"
        )
        (tmp_path / "several_settings.py").write_text(settings)
        ran = subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-c", SEVERAL],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": f"{tmp_path}:{ROOT}",
                "DJANGO_SETTINGS_MODULE": "several_settings",
                "PROMETHEUS_MULTIPROC_DIR": str(folder),
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    def test_are_added_up(self, tmp_path):
        folder = tmp_path / "metrics"
        folder.mkdir()

        left_by_a_command, (_, first), (code, text) = self.run(tmp_path, folder)

        before, told = samples(first), samples(text)
        assert (code, left_by_a_command) == (200, [])
        assert before["cmc_webhooks_notifications_total", "deliveries"] == 0
        assert before["cmc_webhooks_refusals_total", "503"] == 0
        assert told["cmc_webhooks_notifications_total", "deliveries"] == 2
        assert told["cmc_webhooks_events_total", "deliveries", "queued"] == 2
        assert told["cmc_webhooks_database_up",] == 1
        assert told["cmc_webhooks_silence_seconds",] < 600

    def test_store_notifications_without_their_folder(self, tmp_path):
        *_, (code, text) = self.run(tmp_path, tmp_path / "missing")

        assert (code, "unavailable" in text) == (503, True)
