"""Debian's Chromium against a live server with a strict Content-Security-Policy.

`tox run -e browser`, which is `pytest --ds=tests.browser.settings`. Nothing is collected without CMC_BROWSER,
the path of the browser. CMC_PICTURES names a folder to keep the pictures in.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

BROWSER = os.environ.get("CMC_BROWSER", "")
collect_ignore_glob = [] if BROWSER else ["test_*.py"]

if BROWSER:
    # Playwright's loop runs in this thread; Django would take every statement for one inside a coroutine.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
TRIES = 4
"""To fetch axe-core: the registry was seen to be away for half a minute."""
DESKTOP, PHONE = (1280, 900), (390, 844)


@pytest.fixture(scope="session")
def axe(tmp_path_factory):
    """The text of axe-core, fetched by npm; a registry may be away for a moment."""
    folder = tmp_path_factory.mktemp("axe")
    command = ["npm", "install", "--silent", "--no-save", "--prefix", str(folder), "axe-core@4"]
    for tries in range(TRIES):
        time.sleep(10 * tries)
        last = tries == TRIES - 1
        if subprocess.run(command, check=last, timeout=300).returncode == 0:  # noqa: S603 - our own words
            break
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture(scope="session")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS.split())
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    folder = Path(os.environ.get("CMC_PICTURES") or tmp_path_factory.mktemp("pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
