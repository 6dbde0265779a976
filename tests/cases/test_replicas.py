from __future__ import annotations

import json

import pytest

from tests.helpers.projects import Project

SETTINGS = """
    CMC_WEBHOOKS_API_KEYS = []
    CMC_WEBHOOKS_ALLOW_UNAUTHENTICATED = True
    CMC_WEBHOOKS_EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    DATABASE_ROUTERS = ["lag_router.Router"]
    DATABASES |= {
        name: {**DATABASES["default"], "NAME": f"{DATABASES['default']['NAME']}.{name}"}
        for name in ("mail", "copy")
    }
"""
ROUTER = """
class Router:
    \"\"\"Reads of the app go to a copy that lags.\"\"\"

    def db_for_read(self, model, **hints):
        return "copy" if model._meta.app_label == "cmc_webhooks" else "default"

    def db_for_write(self, model, **hints):
        return "mail" if model._meta.app_label == "cmc_webhooks" else "default"

    def allow_relation(self, one, other, **hints):
        return True

    def allow_migrate(self, db, app_label, **hints):
        return (db == "default") != (app_label == "cmc_webhooks")
"""
PROGRAM = """
import io, itertools, json, sys
import django
from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage
from django.core.management import call_command
from django.db import connections
from django.test import Client
from cmc_webhooks import email_backend, erasure, models, suppression
from cmc_webhooks.suppression import lookup

for alias in ("default", "mail", "copy"):
    call_command("migrate", database=alias, verbosity=0)
user = get_user_model().objects.create_superuser("admin", "a@example.jp", "x")
client = Client()
client.force_login(user)
number = itertools.count()
copied = []


def note(execute, sql, params, many, context):
    copied.append(sql)
    return execute(sql, params, many, context)


def bounces(*addresses, **values):
    event = {"created": "2026-11-28 14:06:07", "status": "1", "reason": "550 no such user", **values}
    events = [{**event, "to": address, "messageId": f"<{next(number)}@x>"} for address in addresses]
    body = {"event_type": "bounces", "server_composition": "pro", "event": {"bounces": events}}
    answer = client.post("/cmc/webhook", json.dumps(body), content_type="application/json")
    assert answer.status_code == 200, answer.content


def may_send(address):
    return suppression.may_send(address)


def release():
    bounces("a@example.jp")
    before = may_send("a@example.jp")
    suppression.release("a@example.jp")
    return [before, may_send("a@example.jp")]


def erase():
    bounces("a@example.jp")
    erased = erasure.erase("a@example.jp")
    return [erased.mails, may_send("a@example.jp")]


def block():
    before = may_send("a@example.jp")
    suppression.block("a@example.jp")
    blocked = may_send("a@example.jp")
    forgotten = suppression.forget("a@example.jp")
    return [before, blocked, forgotten, may_send("a@example.jp")]


def long_address():
    address = "a" * 320 + "@example.jp"
    bounces(address)
    return [may_send(address), lookup.look_up(address).verdict.reason]


def backend():
    bounces("a@example.jp")
    message = EmailMessage("s", "b", "from@example.jp", ["a@example.jp", "b@example.jp"])
    return [email_backend.SuppressingBackend().send_messages([message]), *django.core.mail.outbox[-1].to]


def admin():
    data = {"address": "a@example.jp", "kind": "blocked", "note": "x", "_continue": "1"}
    data |= {"until_0": "", "until_1": ""}
    added = client.post("/admin/cmc_webhooks/suppression/add/", data, follow=True)
    page = added.redirect_chain[-1][0]
    changed = client.post(page, {**data, "note": "changed"}, follow=True)
    return [
        added.status_code,
        page.endswith("/change/"),
        changed.status_code,
        "changed" in changed.content.decode(),
        models.Suppression.objects.using("mail").get().note,
    ]


def actions():
    bounces("a@example.jp")
    mail = models.Mail.objects.using("mail").get()
    answers = []
    for name in ("redeliver", "erase"):
        data = {"action": name, "_selected_action": str(mail.pk), "confirmed": "1"}
        models.Mail.objects.using("copy").bulk_create([mail]) if name == "redeliver" else None
        answers.append(client.post("/admin/cmc_webhooks/mail/", data, follow=True).status_code)
    mail.refresh_from_db(using="mail")
    return [*answers, mail.recipient, may_send("a@example.jp")]


def commands():
    bounces("a@example.jp")
    for name, options in {
        "cmc_redeliver": {"interactive": False},
        "cmc_retry_rejected": {},
        "cmc_rebuild_status": {},
        "cmc_rebuild_counts": {},
        "cmc_dispatch": {"once": True},
        "cmc_prune": {"kind": "mails", "days": 800},
    }.items():
        call_command(name, stdout=io.StringIO(), stderr=sys.stderr, **options)
    return [models.Mail.objects.using("mail").count()]


def run(what):
    with connections["copy"].execute_wrapper(note):
        result = globals()[what]()
    connections.close_all()
    print(json.dumps({"result": result, "copy": copied}))
"""


@pytest.fixture
def run(tmp_path):
    """Run a function of the program in a new project, and return what it prints."""
    project = Project(tmp_path, SETTINGS)
    project.write("lag_router.py", ROUTER)
    project.write("lag_program.py", PROGRAM)
    return lambda what: json.loads(project.python(f"import lag_program; lag_program.run({what!r})"))


class TestD13:
    """Decisions, and what writes, beside a copy of the database that lags."""

    @pytest.mark.parametrize(
        ("what", "right"),
        [
            ("release", [False, True]),
            ("erase", [1, False]),
            ("block", [True, False, True, True]),
            ("long_address", [False, "hard"]),
            ("backend", [1, "b@example.jp"]),
            ("admin", [200, True, 200, True, "changed"]),
            ("commands", [1]),
        ],
    )
    def test_come_out_as_with_one_database(self, run, what, right):
        done = run(what)

        assert done == {"result": right, "copy": []}

    def test_of_an_admins_action_are_made_on_the_rows_as_they_are(self, run):
        done = run("actions")

        assert done["result"] == [200, 200, "", False]
