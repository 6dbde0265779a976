"""The deferred mode with real workers: a request in one process, a worker in another, a real queue between.

Needs django-tasks-db, django-tasks-rq with Redis, and Celery with RabbitMQ: `tox run -e workers`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 60

POST = """
import django; django.setup()
from django.test import Client
from tests.conftest import delivery, notification
events = [delivery(f"<{n}@x>") for n in range(30)]
answer = Client().generic("POST", "/cmc/webhook", notification("deliveries", *events), "application/json")
print(answer.status_code, answer.json()["new"])
"""
WORKERS = {
    "db": [sys.executable, "-m", "django", "db_worker", "--interval", "0.2"],
    "rq": [sys.executable, "-m", "django", "rqworker", "default", "--job-class", "django_tasks_rq.Job"],
    "celery": [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "tests.workers.celery_app",
        "worker",
        "-c",
        "1",
        "-P",
        "prefork",
    ],
}


@pytest.fixture(params=WORKERS)
def project(request, tmp_path):
    """The environment of a project whose worker runs."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.workers.project",
        "PYTHONPATH": str(ROOT),
        "WORKER_BACKEND": request.param,
        "WORKER_DATABASE": str(tmp_path / "db.sqlite3"),
        "WORKER_NOTES": str(tmp_path / "notes"),
        "WORKER_QUEUE": f"cmc_webhooks_{uuid.uuid4().hex}",
        "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES",
    }
    run(environment, "-m", "django", "migrate", "--verbosity", "0")
    with (tmp_path / "log").open("w") as log:
        worker = subprocess.Popen(WORKERS[request.param], env=environment, cwd=ROOT, stdout=log, stderr=log)  # noqa: S603 - ours
        try:
            yield environment, tmp_path, worker
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(PATIENCE)


def run(environment, *arguments):
    ran = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, *arguments],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


class TestWorker:
    def test_sends_each_signal_once_in_its_own_process(self, project):
        environment, folder, worker = project

        said = run(environment, "-c", POST)

        notes = []
        until = time.monotonic() + PATIENCE
        while len(notes) < 60 and time.monotonic() < until:
            assert worker.poll() is None, (folder / "log").read_text()
            time.sleep(0.2)
            notes = (folder / "notes").read_text().splitlines() if (folder / "notes").exists() else []
        status = run(environment, "-m", "django", "cmc_status", "--json")

        told = [note.rpartition(" ")[0] for note in notes]
        assert said.split() == ["200", "30"]
        assert len(told) == len(set(told)) == 60, (folder / "log").read_text()
        assert '"pending": 0' in status
