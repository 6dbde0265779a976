"""Run the tests of this folder once for each theme: `python -m tests.themes`, with pytest's options."""

from __future__ import annotations

import os
import subprocess
import sys

THEMES = ("default", "unfold", "jazzmin", "grappelli")


def main():
    command = (sys.executable, "-m", "pytest", "-n", "0", "--ds=tests.themes.settings", "tests/themes")
    for theme in THEMES:
        print(f"--- {theme}", flush=True)  # noqa: T201 - for the log
        done = subprocess.run((*command, *sys.argv[1:]), env={**os.environ, "CMC_THEME": theme}, check=False)  # noqa: S603
        if done.returncode:
            sys.exit(done.returncode)


if __name__ == "__main__":
    main()
