"""The built site of the documentation, served on loopback, and Chromium to read it.

`tox run -e docs`. Nothing is collected without CMC_SITE, the folder that `docs/build.py` made.
CMC_PICTURES names a folder to keep screenshots in.
"""

from __future__ import annotations

import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SITE = os.environ.get("CMC_SITE", "")
BROWSER = os.environ.get("CMC_BROWSER") or "/usr/bin/chromium"
collect_ignore_glob = [] if SITE else ["test_*.py"]

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def folder():
    return Path(SITE).resolve()


@pytest.fixture(scope="session")
def url(folder):
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS.split())
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, url):
    """A page that fails its test if it logs an error or asks another host for anything."""
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    wrong = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    at_home = (url, "data:", "blob:")
    page.on("request", lambda request: request.url.startswith(at_home) or wrong.append(request.url))
    page.on(
        "response",
        lambda response: response.status < 400 or wrong.append(f"{response.status} {response.url}"),
    )
    yield page
    page.close()
    assert wrong == []
