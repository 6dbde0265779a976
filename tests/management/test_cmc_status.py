from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError
from django.db import connection

from tests.helpers import factories
from tests.management.test_commands import run

pytestmark = pytest.mark.django_db


class TestFailIfSilent:
    @pytest.mark.parametrize(
        ("hours", "arguments", "setting", "code"),
        [
            pytest.param(3, ["--fail-if-silent", "2h"], None, 1, id="silent"),
            pytest.param(3, ["--fail-if-silent", "4h"], None, 0, id="not yet"),
            pytest.param(3, ["--fail-if-silent", "90s"], None, 1, id="seconds"),
            pytest.param(3, ["--fail-if-silent", "1d"], None, 0, id="days"),
            pytest.param(3, [], None, 0, id="not asked"),
            pytest.param(3, [], 7200, 1, id="by the setting"),
            pytest.param(3, ["--fail-if-silent", "1d"], 7200, 0, id="rather than by the setting"),
            pytest.param(None, ["--fail-if-silent", "2h"], None, 1, id="never spoke"),
            pytest.param(None, [], None, 0, id="never spoke, not asked"),
        ],
    )
    def test_decides_the_exit_code(self, settings, hours, arguments, setting, code):
        settings.CMC_WEBHOOKS_MAX_SILENCE = setting
        if hours is not None:
            factories.NotificationFactory(received_at=datetime.now(UTC) - timedelta(hours=hours))

        text = run("cmc_status", *arguments)
        as_json = run("cmc_status", "--json", *arguments)

        problems = json.loads(as_json[0])["problems"]
        assert (text[1], as_json[1], len(problems)) == (code, code, code)
        assert all(problem in text[0] for problem in problems)

    @pytest.mark.parametrize(
        "wrong", ["", "2", "h", "0h", "-2h", "2 h", "2H", "1.5h", "2w", "٢h", "9999999999s", "2h\n"]
    )
    def test_is_a_mistake_unless_it_is_a_duration(self, wrong):
        with pytest.raises(CommandError, match="is not a duration such as 90s, 30m, 2h or 1d"):
            run("cmc_status", f"--fail-if-silent={wrong}")

    def test_ends_with_2_where_it_is_a_mistake(self):
        ran = subprocess.run(
            [sys.executable, "-m", "django", "cmc_status", "--fail-if-silent", "soon"],
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
            capture_output=True,
            text=True,
            timeout=60,
        )

        assert ran.returncode == 2
        assert ran.stderr.splitlines()[-1].endswith("'soon' is not a duration such as 90s, 30m, 2h or 1d")

    def test_is_one_line_where_the_database_is_away(self):
        away = {
            "sqlite": "sqlite:////nowhere/at/all.sqlite3",
            "postgresql": "postgres://nobody@127.0.0.1:1/x",
            "mysql": "mysql://nobody@127.0.0.1:1/x",
        }
        ran = subprocess.run(
            [sys.executable, "-m", "django", "cmc_status", "--json"],
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "tests.settings",
                "DATABASE_URL": away[connection.vendor],
            },
            capture_output=True,
            text=True,
            timeout=60,
        )

        assert (ran.returncode, ran.stdout) == (1, "")
        assert re.fullmatch(
            r"CommandError: The database is unavailable \(OperationalError[ \w]*\): "
            r"the state of signals and notifications is unknown\n",
            ran.stderr,
        )
