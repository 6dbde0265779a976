"""What all tests share: a client that posts as CMC does, and signals that are collected."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections
from django.test import Client
from django.utils.log import AdminEmailHandler
from django.views import debug
from hypothesis import settings as examples

from cmc_webhooks import maintenance, testing
from cmc_webhooks.monitoring import refusals, silence
from cmc_webhooks.store import changes, writers
from tests.helpers import fake_api, mysite

if TYPE_CHECKING:
    from collections.abc import Callable

# A busy machine takes longer for one example than for all others: that is no fault of what is tested
examples.register_profile("tests", deadline=None)
# CI repeats the same examples, so that it fails for what was changed; new ones are tried on each laptop
examples.register_profile("ci", deadline=None, derandomize=True)
examples.load_profile("ci" if os.environ.get("CI") else "tests")

pytest_plugins = ["cmc_webhooks.testing.plugin"]

HOOK = "/cmc/webhook"
API_KEY = "s3cret-value-for-tests"
PAYLOADS = Path(__file__).parent / "payloads"
CASES = Path(__file__).parent / "cases" / "inputs"
FORM = "application/x-www-form-urlencoded"


class Hook:
    """Posts notifications as CMC would: csrf checks on, and no exception let through."""

    def __init__(self) -> None:
        self.client = Client(enforce_csrf_checks=True, raise_request_exception=False)

    def post(
        self, body: bytes, content_type: str = "application/json", path: str = HOOK, **headers: str
    ) -> Any:
        """POST a body byte for byte. `headers` are WSGI names, such as HTTP_AUTHORIZATION."""
        return self.client.generic("POST", path, body, content_type=content_type, **headers)

    def send(self, event_type: str, *events: dict[str, Any], api_key: str | None = API_KEY) -> Any:
        """POST these events as JSON, with the right key."""
        return self.post(notification(event_type, *events, api_key=api_key))

    def file(self, path: Path) -> Any:
        """POST a recorded body; its suffix says which kind it is."""
        kinds = {".json": "application/json", ".form": FORM, ".bin": "application/json"}
        return self.post(path.read_bytes(), kinds[path.suffix])


def notification(event_type: str, *events: dict[str, Any], api_key: str | None = API_KEY) -> bytes:
    """The JSON body of a notification."""
    frame: dict[str, Any] = {
        "event_type": event_type,
        "server_composition": "pro",
        "event": {event_type: list(events)},
    }
    if api_key is not None:
        frame["api_key"] = api_key
    return json.dumps(frame, ensure_ascii=False).encode()


def delivery(message_id: str = "<m1@example.com>", **values: Any) -> dict[str, Any]:
    """One item of `event.deliveries`, as CMC spells it."""
    return {
        "created": "2023-01-25 14:03:06",
        "messageId": message_id,
        "from": "info@example.com",
        "to": "user@example.jp",
        "returnPath": "info@return.pro.smtps.jp",
        "subject": "メールマガジンのテスト",
        "apiData": "",
        "status": "queued",
        "reason": "",
        "sourceIp": "",
        "senderIp": "",
    } | values


def bounce(message_id: str = "<m1@example.com>", **values: Any) -> dict[str, Any]:
    """One item of `event.bounces`, as CMC spells it."""
    return {
        "created": "2023-01-25 14:06:07",
        "messageId": message_id,
        "from": "info@example.com",
        "to": "user@example.jp",
        "returnPath": "info@return.pro.smtps.jp",
        "subject": "メールマガジンのテスト",
        "apiData": "",
        "status": "2",
        "reason": "550 5.1.1 user unknown",
    } | values


def in_every_writer(patch: pytest.MonkeyPatch, name: str, wrap: Callable[[Any], Any]) -> None:
    """Put `wrap(function)` in the place of a function of all ways to store a batch: known, lock or write."""
    for way in writers.WRITERS:
        patch.setattr(way, name, wrap(getattr(way, name)))


class Mails(AdminEmailHandler):
    """Keeps what it would mail to the admins."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.texts: list[str] = []

    def send_mail(
        self, subject: str, message: str, *args: Any, html_message: str | None = "", **kwargs: Any
    ) -> None:
        self.texts += [subject, message, html_message or ""]


@pytest.fixture(scope="session", autouse=True)
def compiled_once() -> None:
    """The page that error mails show, which Django compiles anew for each of them: most of their time."""
    debug.DEBUG_ENGINE.from_string = cache(debug.DEBUG_ENGINE.from_string)


@pytest.fixture(scope="session", autouse=True)
def no_maintenance_after_answers() -> None:
    """Keep web processes from running maintenance: tests that take a minute would meet it anywhere."""
    maintenance._last_run_at = float("inf")


@pytest.fixture(autouse=True)
def nothing_known_from_other_tests() -> None:
    """Drop the refused requests that this process has counted, and the silence that it has learnt."""
    refusals.forget()
    silence.forget()


@pytest.fixture(autouse=True)
def feed_left_long_ago() -> None:
    """Take it as known that this process writes without the feed, which costs one statement once."""
    changes._left.update(connections)


@pytest.fixture
def hook(settings: Any) -> Hook:
    """A client of the webhook. Only the key of `API_KEY` is configured."""
    settings.CMC_WEBHOOKS_API_KEYS = [API_KEY]
    return Hook()


@pytest.fixture
def open_hook(settings: Any) -> Hook:
    """A client of a webhook that asks for no secret, for recorded bodies, which have none."""
    settings.CMC_WEBHOOKS_API_KEYS = []
    settings.CMC_WEBHOOKS_ALLOW_UNAUTHENTICATED = True
    return Hook()


@pytest.fixture
def sent() -> Any:
    """The signals sent during the test."""
    with testing.signals_sent() as collected:
        yield collected


@pytest.fixture
def rest_api(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A fake of CMC's REST API, which the settings name; its user and key are right."""
    monkeypatch.setenv("NO_PROXY", "*")
    with fake_api.serving() as api:
        settings.CMC_WEBHOOKS_REST_URL = api.url
        settings.CMC_WEBHOOKS_REST_USER = fake_api.USER
        settings.CMC_WEBHOOKS_REST_KEY = fake_api.KEY
        settings.CMC_WEBHOOKS_REST_COMPOSITIONS = ["pro"]
        yield api


@pytest.fixture
def receiver():
    """Connects functions and disconnects them after the test."""
    connected = []

    def connect(signal, function, sender=None):
        signal.connect(function, sender=sender, weak=False)
        connected.append((signal, function, sender))
        return function

    yield connect
    for signal, function, sender in connected:
        signal.disconnect(function, sender=sender)


@pytest.fixture(scope="session")
def mysite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the docs' project, to copy from; its tables are made."""
    for package in ("rest_framework", "django_filters", "dotenv"):
        pytest.importorskip(package)
    folder = tmp_path_factory.mktemp("mysite")
    mysite.MySite(folder)
    return folder
