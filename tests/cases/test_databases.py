from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.handlers.base import BaseHandler
from django.db import connections
from django.http import HttpResponse

from cmc_webhooks import models, signals, views
from tests import cases
from tests.conftest import CASES, bounce, delivery

SETTINGS = """
from pathlib import Path

FOLDER = Path(__file__).parent
SECRET_KEY = "tests-only"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "two_urls"
USE_TZ = True
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "cmc_webhooks"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
CMC_WEBHOOKS_ALLOW_UNAUTHENTICATED = True
DATABASE_ROUTERS = ["two_router.Router"]
DATABASES = {
    alias: {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FOLDER / f"{alias}.sqlite3",
        "ATOMIC_REQUESTS": True,
        "OPTIONS": {"transaction_mode": "IMMEDIATE"},
    }
    for alias in ("default", "mail")
}
"""
URLS = """
from django.urls import include, path

urlpatterns = [path("cmc/webhook", include("cmc_webhooks.urls"))]
"""
ROUTER = """
class Router:
    def db_for_read(self, model, **hints):
        return "mail" if model._meta.app_label == "cmc_webhooks" else "default"

    db_for_write = db_for_read

    def allow_migrate(self, db, app_label, **hints):
        return (db == "mail") == (app_label == "cmc_webhooks")
"""
REPLICA = """
class Router:
    \"\"\"Reads go to a replica that lags: here one that knows nothing and may not even be asked.\"\"\"

    def db_for_read(self, model, **hints):
        return "default"

    def db_for_write(self, model, **hints):
        return "mail" if model._meta.app_label == "cmc_webhooks" else "default"

    def allow_relation(self, one, other, **hints):
        return True

    def allow_migrate(self, db, app_label, **hints):
        return (db == "mail") == (app_label == "cmc_webhooks")
"""
# Posts bodies given on the command line; prints each answer with the rows per database, then the signals.
SCRIPT = """
import io
import json
import sys

import django

django.setup()

from django.core.management import call_command
from django.db import OperationalError, connections
from django.test import Client

from cmc_webhooks import models, signals

TABLES = (models.Mail, models.DeliveryEvent, models.RejectedEvent, models.Notification, models.PendingSignal)
seen, reports = [], []


def receiver(event, **kwargs):
    found = models.DeliveryEvent.objects.using("mail").filter(pk=event.pk).exists()
    seen.append([event._state.db, found, connections["mail"].in_atomic_block])


def forbid(execute, sql, params, many, context):
    raise AssertionError(f"the default database was asked: {sql}")


def failing(execute, sql, params, many, context):
    if sql.startswith("INSERT") and "deliveryevent" in sql:
        execute(sql, params, many, context)
        raise OperationalError("disk I/O error")
    return execute(sql, params, many, context)


def counts():
    tables = connections["default"].introspection.table_names()
    assert not [table for table in tables if table.startswith("cmc_webhooks_")]
    rows = {model.__name__: model.objects.using("mail").count() for model in TABLES}
    return {name: number for name, number in rows.items() if number}


for alias in ("default", "mail"):
    call_command("migrate", database=alias, verbosity=0)
signals.event_recorded.connect(receiver)
client = Client(enforce_csrf_checks=True, raise_request_exception=False)
fault, *paths = sys.argv[1:]
if fault == "trigger":
    with connections["mail"].cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON cmc_webhooks_deliveryevent WHEN NEW.reason = 'REFUSE'"
            " BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
for number, path in enumerate(paths):
    with open(path, "rb") as file, connections["default"].execute_wrapper(forbid):
        if fault == "first fails" and number == 0:
            with connections["mail"].execute_wrapper(failing):
                answer = client.generic("POST", "/cmc/webhook", file.read(), "application/json")
        else:
            answer = client.generic("POST", "/cmc/webhook", file.read(), "application/json")
    reports.append([answer.status_code, answer.content.decode(), counts()])
if fault == "lag":
    with connections["default"].execute_wrapper(forbid):
        call_command("cmc_redeliver", interactive=False, stdout=sys.stderr)
        call_command("cmc_retry_rejected", stdout=sys.stderr)
        call_command("cmc_rebuild_status", check=True, stdout=sys.stderr)
        call_command("cmc_dispatch", once=True, stdout=sys.stderr)
        report = io.StringIO()
        call_command("cmc_status", json=True, stdout=report)
        reports.append(json.loads(report.getvalue()))
connections.close_all()
print(json.dumps({"reports": reports, "seen": seen}))
"""


@pytest.fixture
def atomic_requests(monkeypatch):
    """ATOMIC_REQUESTS for every database."""
    for database in connections.settings.values():
        monkeypatch.setitem(database, "ATOMIC_REQUESTS", True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("atomic_requests")
class TestC42:
    def test_the_same_batch_twice_is_stored_once(self, open_hook, sent):
        answers = [open_hook.post((CASES / "C42.json").read_bytes()) for _ in range(2)]

        assert cases.codes(answers) == [200, 200]
        assert models.DeliveryEvent.objects.count() == 2
        assert len(sent.of("event_recorded")) == 2

    def test_a_receiver_that_raises_rolls_nothing_back(self, open_hook):
        def bad(**arguments):
            raise RuntimeError("a fault of the site's own")

        signals.event_recorded.connect(bad)
        try:
            answers = [open_hook.post((CASES / "C42.json").read_bytes()) for _ in range(2)]
        finally:
            signals.event_recorded.disconnect(bad)

        assert cases.codes(answers) == [200, 200]
        assert models.DeliveryEvent.objects.count() == 2

    @pytest.mark.parametrize(
        "events", [[], [delivery(to=[])], [delivery(), delivery(), "odd"]], ids=["none", "odd", "mixed"]
    )
    def test_holds_for_every_batch(self, open_hook, events):
        answers = [cases.send(open_hook, "deliveries", *events) for _ in range(2)]

        assert cases.codes(answers) == [200, 200]

    def test_the_view_opts_out_where_others_do_not(self):
        def plain(request):
            return HttpResponse()

        assert BaseHandler().make_view_atomic(plain) is not plain
        assert BaseHandler().make_view_atomic(views.webhook) is views.webhook


class TestC43:
    """In a process and project of its own: two SQLite files, a router, neither admin nor API."""

    def run(self, folder, fault, *bodies, router=ROUTER):
        for name, text in (("settings", SETTINGS), ("urls", URLS), ("router", router), ("script", SCRIPT)):
            (folder / f"two_{name}.py").write_text(text)
        paths = []
        for number, body in enumerate(bodies):
            paths.append(folder / f"body{number}")
            paths[-1].write_bytes(body)
        root = Path(__file__).parent.parent.parent
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "two_settings",
            "PYTHONPATH": os.pathsep.join([str(folder), str(root)]),
        }
        done = subprocess.run(  # noqa: S603 - our own script
            [sys.executable, "-W", "error", str(folder / "two_script.py"), fault, *map(str, paths)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def test_everything_goes_to_the_database_of_the_router(self, tmp_path):
        body = (CASES / "C43.json").read_bytes()

        result = self.run(tmp_path, "none", body, body)

        assert result["reports"] == [
            [
                200,
                '{"new": 2, "repeated": 0, "rejected": 0}',
                {"Mail": 2, "DeliveryEvent": 2, "Notification": 1},
            ],
            [
                200,
                '{"new": 0, "repeated": 2, "rejected": 0}',
                {"Mail": 2, "DeliveryEvent": 2, "Notification": 2},
            ],
        ]
        assert result["seen"] == [["mail", True, False]] * 2

    def test_a_failure_leaves_no_half_state(self, tmp_path):
        body = (CASES / "C43.json").read_bytes()

        result = self.run(tmp_path, "first fails", body, body)

        assert [report[0] for report in result["reports"]] == [503, 200]
        assert [report[2] for report in result["reports"]] == [
            {},
            {"Mail": 2, "DeliveryEvent": 2, "Notification": 1},
        ]
        assert result["seen"] == [["mail", True, False]] * 2

    def test_an_event_that_its_database_refuses_is_rejected_alone(self, tmp_path):
        events = cases.recorded("C43.json")
        events[1]["reason"] = "REFUSE"

        result = self.run(tmp_path, "trigger", cases.notification(*events))

        assert result["reports"] == [
            [
                200,
                '{"new": 1, "repeated": 0, "rejected": 1}',
                {"Mail": 1, "DeliveryEvent": 1, "RejectedEvent": 1, "Notification": 1},
            ]
        ]
        assert result["seen"] == [["mail", True, False]]

    def test_a_replica_that_lags_is_never_asked(self, tmp_path):
        body = (CASES / "C43.json").read_bytes()

        result = self.run(tmp_path, "lag", body, body, router=REPLICA)

        assert [report[:2] for report in result["reports"][:2]] == [
            [200, '{"new": 2, "repeated": 0, "rejected": 0}'],
            [200, '{"new": 0, "repeated": 2, "rejected": 0}'],
        ]
        assert result["seen"] == [["mail", True, False]] * 4
        assert result["reports"][2]["last_notification"] is not None
        assert (result["reports"][2]["pending"], result["reports"][2]["rejected"]) == (0, 0)

    def test_a_bad_body_asks_no_database(self, tmp_path):
        result = self.run(tmp_path, "none", b"{", cases.notification(bounce(to={})))

        assert [report[0] for report in result["reports"]] == [400, 200]
        assert result["reports"][1][2] == {"RejectedEvent": 1, "Notification": 1}
