"""The page on copies, done as it says: a project on SQLite, a warehouse on PostgreSQL."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest
from django.db import connection

from tests.conftest import bounce, delivery
from tests.helpers.mysite import MySite, blocks

PAGE = "howto/copy-to-a-warehouse"
COMMANDS = "reference/commands"
USER = """
from django.contrib.auth.models import Permission, User
user = User.objects.create_user("user", password="password")
user.user_permissions.set(Permission.objects.filter(codename="view_mail"))
"""
ERASE = "from cmc_webhooks import erasure; erasure.erase('user@example.jp')"

pytestmark = pytest.mark.skipif(
    connection.vendor != "postgresql" or not find_spec("httpx") or not find_spec("rest_framework"),
    reason="the warehouse is on PostgreSQL, the program needs httpx, the project the API",
)


@pytest.fixture
def site(mysite_template, tmp_path):
    site = MySite(tmp_path, mysite_template)
    for block in blocks(PAGE, "Turn the feed on"):
        site.put(block)
    site.shell(USER)
    return site


@pytest.fixture
def warehouse():
    """A schema of its own in the test database, and the variables that lead libpq there."""
    settings = connection.settings_dict
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS warehouse CASCADE")
        cursor.execute("CREATE SCHEMA warehouse")
    yield {
        "PGHOST": settings["HOST"],
        "PGPORT": str(settings["PORT"]),
        "PGUSER": settings["USER"],
        "PGPASSWORD": settings["PASSWORD"],
        "PGDATABASE": connection.creation.connection.settings_dict["NAME"],
        "PGOPTIONS": "-c search_path=warehouse",
    }
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA warehouse CASCADE")


def copied():
    """The statuses in the warehouse by recipient; nothing before its tables are made."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('warehouse.mail'), to_regclass('warehouse.place')")
        if None in cursor.fetchone():
            return {}
        cursor.execute("SELECT data->>'recipient', data->>'status' FROM warehouse.mail")
        return dict(cursor.fetchall())


@pytest.mark.django_db(transaction=True)
class TestWarehouse:
    def test_is_filled_and_follows_across_a_kill(self, site, warehouse):
        [install, program, start] = blocks(PAGE, "Copy to PostgreSQL")
        assert install.text.startswith("python -m pip install httpx")
        site.put(program)
        with site.serving():
            (site.folder / program.path).write_text(
                program.text.replace("https://your.example.com", site.url)
            )
            assert site.post("deliveries", delivery(), delivery("<m2@example.com>", to="b@example.jp")) == 200

            with site.running(start.text.strip(), **warehouse) as process:
                site.until(lambda: len(copied()) == 2, process)
                assert site.post("bounces", bounce()) == 200
                site.until(lambda: copied().get("user@example.jp") == "bounced", process)
                process.kill()

            assert site.post("deliveries", delivery("<m3@example.com>", to="c@example.jp")) == 200
            site.shell(ERASE)
            with site.running(start.text.strip(), **warehouse) as process:
                site.until(lambda: "c@example.jp" in copied(), process)
                site.until(lambda: "user@example.jp" not in copied(), process)

                site.sh(blocks(PAGE, "What a copy has to do")[0].text)
                assert site.post("deliveries", delivery("<m4@example.com>", to="d@example.jp")) == 200
                site.until(lambda: "d@example.jp" in copied(), process)

        assert copied() == {
            "": "bounced",
            **dict.fromkeys(["b@example.jp", "c@example.jp", "d@example.jp"], "queued"),
        }


class TestJsonLines:
    def test_are_printed_with_their_cursors(self, site):
        [lines] = blocks(PAGE, "Copy to JSON lines")
        [first, second] = lines.text.splitlines()

        assert site.sh(lines.text) == ""
        site.shell("from cmc_webhooks.testing import factories\nfactories.MailFactory()")
        with site.serving():
            site.sh(f"{first} > /dev/null")
            cursor = site.sh("python manage.py cmc_changes").strip()
            site.post("deliveries", delivery())
        site.sh(second, AFTER=cursor)

        [line] = (site.folder / "changes.jsonl").read_text().splitlines()
        assert json.loads(line)["mail"]["recipient"] == "user@example.jp"
        assert json.loads(line)["cursor"] == site.sh("python manage.py cmc_changes").strip()

    def test_are_printed_by_the_example_of_the_command(self, site):
        [example] = [block for block in blocks(COMMANDS) if "cmc_changes" in block.text]

        assert site.sh(example.text) == ""


class TestPython:
    def test_prints_what_changed(self, site):
        [block] = blocks(PAGE, "In Python")
        parts = block.text.partition("page =")

        printed = site.shell(
            f"{parts[0]}\nfrom cmc_webhooks import suppression\n"
            f"suppression.block('a@example.jp')\n{parts[1]}{parts[2]}\n\n"
        )

        assert printed.startswith("1 suppression blocked")
