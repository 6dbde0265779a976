"""The pages that explain say what the code does: options of databases, statuses, the steps of storing."""

from __future__ import annotations

import re

import pytest
from django.db.utils import ConnectionHandler

from cmc_webhooks.bounce_codes import BOUNCE_CODES, BounceClass
from cmc_webhooks.checks import databases
from tests.helpers import pages

DRIVERS = {"SQLite": "sqlite3", "PostgreSQL": "psycopg", "MariaDB": "MySQLdb"}


@pytest.mark.parametrize("language", pages.LANGUAGES)
class TestDatabases:
    @pytest.mark.parametrize("vendor", DRIVERS)
    def test_satisfy_the_checks(self, language, vendor, monkeypatch, tmp_path):
        pytest.importorskip(DRIVERS[vendor])
        monkeypatch.setenv("DATABASE_PASSWORD", "of-a-test")
        [block] = pages.blocks(pages.section("explanation/databases", vendor, language))
        values = {"BASE_DIR": tmp_path}
        exec(f"import os\n{block}", values)  # noqa: S102 - our own words

        monkeypatch.setattr(databases, "connections", ConnectionHandler(values["DATABASES"]))

        assert databases.check_database_settings(None) == []


@pytest.mark.parametrize("language", pages.LANGUAGES)
class TestStatuses:
    def test_has_each_code_in_its_class(self, language):
        rows = re.findall(
            r"^\| `(\w+)` \| ([^|]+) \|", pages.text("explanation/statuses", language), re.MULTILINE
        )
        named = {kind: set(re.findall(r"\d+", codes)) for kind, codes in rows if kind in BounceClass.values}
        known = {kind: {code for code, (_, own) in BOUNCE_CODES.items() if own == kind} for kind in named}

        assert named == known
        assert {*named} == {*BounceClass.values}


@pytest.mark.parametrize("language", pages.LANGUAGES)
class TestPromises:
    def test_name_tests_that_exist(self, language):
        named = re.findall(r"`(tests/[\w/.]+)`", pages.text("explanation/promises", language))

        assert len(named) > 10
        assert [name for name in named if not (pages.ROOT / name).exists()] == []
