"""A database of each earlier release, upgraded to this version, keeps what was stored and goes on working.

`tox run -e freeze` writes a folder for each release. A database of this version is frozen and loaded in each
run too, so that both halves are tried before they are needed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.upgrade import frozen

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RELEASES = sorted(path.name for path in HERE.iterdir() if re.match(r"\d+\.\d+", path.name))
THIS = "this version"


def run(command, folder):
    """Run a command of this package in a process that has its settings; return what it printed."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "CMC_"))}
    ran = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-m", "tests.upgrade", command, str(folder)],
        cwd=ROOT,
        env=known,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return ran.returncode, ran.stdout + ran.stderr


class TestUpgrade:
    @pytest.mark.parametrize("version", [*RELEASES, THIS])
    def test_keeps_what_was_stored(self, version, tmp_path):
        folder = tmp_path if version == THIS else HERE / version
        if version == THIS:
            code, printed = run("freeze", folder)
            assert code == 0, printed

        code, printed = run("upgrade", folder)

        assert code == 0, printed
        assert max(file.stat().st_size for file in folder.iterdir()) < 200_000


class TestDifferences:
    def test_names_what_changed_and_leaves_out_what_is_new(self):
        known = {"verdicts": {"a@example.jp": "stop hard", "b@example.jp": "send"}}
        found = {"verdicts": {"a@example.jp": "send", "c@example.jp": "send"}, "counts": {}}

        assert frozen.differences(known, known) == []
        assert frozen.differences(found, known) == [
            "verdicts: a@example.jp was 'stop hard' and is 'send'",
            "verdicts: b@example.jp was 'send' and is None",
        ]
