"""A project whose `migrate` was forgotten, on each database."""

from __future__ import annotations

import json

import pytest
from django.db import connection

from cmc_webhooks.db import transactions
from tests.conftest import delivery, notification
from tests.helpers.projects import KEY, Project, new_databases

WORDS = "The tables of cmc_webhooks are missing: run manage.py migrate."
JAPANESE = "cmc_webhooks のテーブルがありません。manage.py migrate を実行してください。"
OUTAGE = (
    "unavailable",
    "try again",
    "SQLITE_ERROR",
    "OperationalError",
    "SELECT",
    "Traceback",
    "user@example.jp",
)
SCRIPT = """
    import json, logging
    from django.test import Client

    records = []
    class Kept(logging.Handler):
        def emit(self, record):
            records.append((record.levelname, record.getMessage()))
    for name in ("cmc_webhooks", "django"):
        logging.getLogger(name).addHandler(Kept())
    def post():
        return Client().post("/cmc/webhook", {body!r}, content_type="application/json")
    answer = post()
    wait = answer.headers.get("Retry-After")
    print(json.dumps([answer.status_code, wait, answer.content.decode(), records]))
    health = Client().get("/cmc/health", headers={{"Authorization": "Bearer a-token-of-the-health-view"}})
    print(json.dumps([health.status_code, health.json()["problems"]]))
    from django.core.management import call_command
    call_command("migrate", verbosity=0)
    print(post().status_code)
"""


@pytest.fixture
def bare(tmp_path):
    """Return a project on a new database without tables."""
    with new_databases("bare") as urls:
        settings = 'CMC_WEBHOOKS_HEALTH_TOKENS = ["a-token-of-the-health-view"]'
        yield Project(tmp_path, settings, url=urls["bare"])


@pytest.mark.django_db(transaction=True)
class TestD75:
    """A forgotten `migrate` says so, and never reads like an outage."""

    def test_everywhere(self, bare):
        status = bare.manage("cmc_status")
        status_ja = bare.manage("cmc_status", language="ja")
        checked, without = bare.check("--database", "default"), bare.check()
        body = notification("deliveries", delivery(), api_key=KEY).decode()
        answer, health, after = map(json.loads, bare.python(SCRIPT.format(body=body)).splitlines())

        assert (status.returncode, status.stderr) == (1, f"CommandError: {WORDS}\n")
        assert (
            "cmc_webhooks のテーブルがありません。manage.py migrate を実行してください。" in status_ja.stderr
        )
        assert f"(cmc_webhooks.W081) {WORDS}" in checked
        assert WORDS not in without
        assert (answer[0], answer[2]) == (503, f"{WORDS}\n")
        assert answer[1] is not None
        assert [level for level, _ in answer[3]] == ["ERROR"]
        assert WORDS in answer[3][0][1]
        assert health == [503, [WORDS]]
        assert after == 200
        everything = f"{status.stdout}{status.stderr}{checked}{answer}{health}"
        assert [word for word in OUTAGE if word in everything] == []

    @pytest.mark.parametrize(
        "name",
        ["cmc_dispatch --once", "cmc_rebuild_status", "cmc_retry_rejected", "cmc_redeliver"],
    )
    def test_each_command_says_so(self, bare, name):
        ran = bare.manage(*name.split())

        assert (ran.returncode, ran.stderr) == (1, f"CommandError: {WORDS}\n")

    def test_a_missing_column_says_so_too(self, bare):
        bare.manage("migrate")

        printed = bare.python("""
            from django.db import connection, DatabaseError
            from cmc_webhooks.db import transactions
            from cmc_webhooks.models import Mail
            with connection.schema_editor() as editor:
                editor.remove_field(Mail, Mail._meta.get_field("return_path"))
            try:
                transactions.run("default", lambda: list(Mail.objects.all()))
            except transactions.WrongSetup as error:
                print(error)
        """)

        assert printed == transactions.TABLES_OUT_OF_DATE

    def test_a_missing_table_of_the_project_is_not_ours(self):
        with pytest.raises(transactions.Unavailable) as caught:
            transactions.run("default", lambda: connection.cursor().execute("SELECT 1 FROM shop_order"))

        assert not isinstance(caught.value, transactions.WrongSetup)
