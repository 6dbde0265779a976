from __future__ import annotations

import os
import subprocess
import sys

from django.db import connection

from tests import readme
from tests.readme import ROOT


def run(*arguments):
    """What the example project's tests printed, and their exit code; on a database beside that of these."""
    url = os.environ.get("DATABASE_URL")
    address = f"{url}_example" if url and connection.vendor != "sqlite" else "sqlite://:memory:"
    ran = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": address, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
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
        assert "7 passed" in printed


class TestReadme:
    def test_shows_tests_that_pass(self, tmp_path):
        for name, block in zip(
            ("conftest.py", "test_orders.py"),
            readme.blocks(readme.chapter("Testing your own code")),
            strict=True,
        ):
            (tmp_path / name).write_text(block)

        printed, code = pytest("-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), str(tmp_path))

        assert code == 0, printed
        assert "3 passed" in printed
