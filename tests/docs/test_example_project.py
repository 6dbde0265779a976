from __future__ import annotations

import os
import re
import subprocess
import sys

from django.db import connection

from tests.helpers.pages import ROOT


def run(*arguments, **variables):
    """What the example project's tests printed, and their exit code; on a database beside that of these."""
    url = os.environ.get("DATABASE_URL")
    address = f"{url}_example" if url and connection.vendor != "sqlite" else "sqlite://:memory:"
    ran = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": address,
            "PYTHONPATH": str(ROOT),
            "PYTEST_ADDOPTS": "",
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    return ran.stdout + ran.stderr, ran.returncode


def pytest(*paths):
    return run("pytest", "-n", "0", "-q", "--create-db", "--ds=example_project.settings", *paths)


class TestExampleProject:
    def test_passes_its_own_tests(self):
        printed, code = pytest("example_project/shop/tests.py")

        assert code == 0, printed
        assert "10 passed" in printed


class TestDemo:
    def test_tells_its_story_in_order_and_each_thing_once(self, tmp_path):
        printed, code = run(
            "django", "demo", "--stop", "--no-history", "--port=0", "--verbose", **demo(tmp_path)
        )

        assert code == 0, printed
        story = [part.splitlines() for part in printed.split("\n\n")]
        payloads = {each.name for each in (ROOT / "example_project/shop/payloads").iterdir()}
        assert {part[0].partition("[")[2].rstrip("]") for part in story[1:7]} == payloads
        for part in story[1:7]:
            kinds = [line.split()[0] for line in part[1:]]
            assert kinds == sorted(kinds, key=("stored", "signal", "log").index)
            events = [
                line.partition("event_recorded")[2].strip() for line in part if "event_recorded" in line
            ]
            logged = [line.partition("receivers: ")[2] for line in part if "receivers: " in line]
            assert events == logged
            assert part[-1].endswith("0 repeated, 0 rejected")

    def test_leaves_the_log_out_and_shows_a_month(self, tmp_path):
        printed, code = run("django", "demo", "--stop", "--port=0", **demo(tmp_path))

        assert code == 0, printed
        assert "  log " not in printed
        events = [line for line in printed.splitlines() if "event_recorded" in line]
        assert len(events) == len({*events}) == 7
        assert re.search(r"stored  [789]\d{3} events of \d{4} mails", printed)


def demo(folder):
    return {
        "DATABASE_URL": f"sqlite:///{folder / 'demo.sqlite3'}",
        "DJANGO_SETTINGS_MODULE": "example_project.settings",
    }
