"""Print the tests nearest to what changed, or run a command with them.

`nearest.py` prints the paths. `nearest.py pytest -q` runs `pytest -q` with these paths as arguments.
A changed file is one that differs from where the branch left main, or a file that git does not know yet.
If nothing differs, the files of the last commit count as changed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
FALLBACK = ("wire", "ingest", "webhook")
"""The path of one notification: run when no test is nearer."""
OTHER_ENVIRONMENTS = {"browser", "contract", "faults", "themes", "workers"}
"""Folders of tests that need more than the test packages; each has a tox environment."""


def main(*command: str) -> None:
    """Print the nearest tests, or run the command with them in place of this program."""
    found = {test for name in changed() for test in nearest(Path(name))}
    found = found or {test for pattern in FALLBACK for test in TESTS.glob(pattern)}
    paths = sorted(str(test.relative_to(ROOT)) for test in found if not found.intersection(test.parents))
    print(*paths, sep="\n", flush=True)
    if command:
        os.chdir(ROOT)
        os.execvp(command[0], [*command, *paths])  # noqa: S606 - the command of tox.ini


def changed() -> list[str]:
    """Return the names of the changed files, from the root of the repository."""
    base = git("merge-base", "main", "HEAD") or ["HEAD"]
    names = git("diff", "--name-only", *base) + git("ls-files", "--others", "--exclude-standard")
    return names or git("diff", "--name-only", "HEAD~1")


def nearest(name: Path) -> list[Path]:
    """Return the tests of the innermost folder or module of a path that has any.

    `cmc_webhooks/store/bulk.py` has `tests/store/test_bulk.py`, else `tests/test_bulk.py`, else
    `tests/store`, else `tests/test_store*.py`.
    """
    if name.suffix in {".css", ".html", ".js"}:
        return [TESTS / "admin"]
    if name.parts[0] == "tests":
        return in_tests(name)
    parts = name.parts[1:] if name.parts[0] == "cmc_webhooks" else name.parts
    folders, stem = parts[:-1], Path(parts[-1]).stem.lower().replace(".", "_")
    exact = [TESTS.joinpath(*folders, f"test_{stem}.py"), TESTS / f"test_{stem}.py"]
    for test in exact:
        if test.is_file():
            return [test]
    for depth in range(len(folders), 0, -1):
        folder = TESTS.joinpath(*folders[:depth])
        tests = [folder] if folder.is_dir() else sorted(TESTS.glob(f"test_{folders[depth - 1]}*.py"))
        if tests:
            return tests
    return []


def in_tests(name: Path) -> list[Path]:
    """Return a changed test, or the tests of the folder in which a helper changed."""
    if len(name.parts) > 2 and name.parts[1] in OTHER_ENVIRONMENTS:
        return []
    path = ROOT / name
    if path.match("test_*.py"):
        return [path] if path.is_file() else []
    folder = path.parent
    return [folder] if folder != TESTS and any(folder.glob("test_*.py")) else []


def git(*words: str) -> list[str]:
    """Return the lines that git prints, or none if it fails."""
    ran = subprocess.run(["git", *words], cwd=ROOT, check=False, capture_output=True, text=True)
    return ran.stdout.splitlines() if ran.returncode == 0 else []


if __name__ == "__main__":
    main(*sys.argv[1:])
