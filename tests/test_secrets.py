"""Nothing that can be seen anywhere tells a secret, whatever was presented and whatever failed."""

from __future__ import annotations

import base64
import logging
from functools import partial
from urllib.parse import urlencode

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import OperationalError
from django.urls import reverse

from cmc_webhooks import auth, conf, ingest, signals, wire
from cmc_webhooks.conf import app_settings
from tests.admin.conftest import browser_of
from tests.conftest import FORM, Hook, Mails, bounce, delivery, in_every_writer, notification

KEY = "k3y-of-the-body-c0ffee"
PASSWORD = "passw0rd-of-the-header"
TOKEN = "t0ken-of-the-header"
WRONG = "wr0ng-one-of-somebody"
SUBJECT = "subject-that-only-the-body-holds"
SECRETS = (KEY, PASSWORD, TOKEN, WRONG)

pytestmark = pytest.mark.django_db(transaction=True)


def basic(password):
    return "Basic " + base64.b64encode(f"cmc:{password}".encode()).decode()


HEADERS = {
    "right password": basic(PASSWORD),
    "right token": f"Bearer {TOKEN}",
    "wrong password": basic(WRONG),
    "wrong token": f"Bearer {WRONG}",
    "none": "",
}


@pytest.fixture
def heard(settings, caplog):
    """What handlers of all records would show and mail, with the locals of every frame."""
    settings.DEBUG = False
    settings.CMC_WEBHOOKS_API_KEYS = [KEY]
    settings.CMC_WEBHOOKS_BASIC_AUTH = [f"cmc:{PASSWORD}"]
    settings.CMC_WEBHOOKS_BEARER_TOKENS = [TOKEN]
    caplog.set_level(logging.DEBUG)
    handler = Mails(include_html=True)
    handler.setLevel(logging.INFO)
    logging.getLogger().addHandler(handler)  # which those of Django and of the app hand on to
    yield lambda: [
        *(repr(sorted(record.__dict__.items(), key=str)) for record in caplog.records),
        *handler.texts,
    ]
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def told():
    """The arguments of the signals as text; the receiver raises each time, with them among its locals."""
    arguments_told = []

    def receiver(sender, **arguments):
        arguments_told.append(
            repr(arguments)
            + repr([vars(value) for value in arguments.values() if hasattr(value, "__dict__")])
        )
        raise RuntimeError("a fault of the site's own")

    for signal in (signals.event_recorded, signals.status_changed):
        signal.connect(receiver)
    yield arguments_told
    for signal in (signals.event_recorded, signals.status_changed):
        signal.disconnect(receiver)


def bodies(key):
    events = [delivery(subject=SUBJECT), delivery(to=[key]), {"to": "a@x", "api_key": key}]
    form = {"api_key": key, "event_type": "bounces", "event": wire_json("bounces", bounce(subject=SUBJECT))}
    return [
        (notification("deliveries", *events, api_key=key), "application/json"),
        (notification("blocks", {"api_key": key}, api_key=key), "application/json"),
        (notification("opens", {"api_key": key}, api_key=key), "application/json"),
        (urlencode(form).encode(), FORM),
        (notification("deliveries", *events, api_key=key)[:-1], "application/json"),
        (notification("deliveries", *events, api_key=key), FORM),
    ]


def wire_json(event_type, *events):
    return notification(event_type, *events, api_key=None).decode().partition('"event": ')[2][:-1]


def everything_shown():
    """Every table as text, every page and export of the admin, every answer of the API."""
    shown = [repr(list(model._base_manager.values())) for model in apps.get_models()]
    shown += [
        repr(row) + str(row)
        for model in apps.get_app_config("cmc_webhooks").get_models()
        for row in model._default_manager.all()
    ]
    browser = browser_of(is_staff=True, is_superuser=True)
    for model in admin.site._registry:
        if model._meta.app_label == "cmc_webhooks":
            shown.append(browser.open_list(model._meta.model_name).content.decode())
            shown += [browser.open_page(row).content.decode() for row in model._default_manager.all()]
    for name in ("mail", "deliveryevent", "bounceevent"):
        exported = browser.post(reverse(f"admin:cmc_webhooks_{name}_export"))
        shown.append(b"".join(exported.streaming_content).decode())
    shown.append(browser.get(reverse("admin:cmc_webhooks_mail_overview")).content.decode())
    if apps.is_installed("rest_framework"):
        from cmc_webhooks.api import urls

        for pattern in urls.urlpatterns:
            if str(pattern.name).endswith("-list"):
                shown.append(browser.get(reverse(f"cmc_webhooks_api:{pattern.name}")).content.decode())
    return shown


def failing_with(fault, real):
    def fail(*args):
        raise fault

    return fail


class TestSecrets:
    def test_are_nowhere_after_all_that_can_go_wrong(self, heard, told, monkeypatch):
        hook = Hook()
        answers = []
        for fault in (None, OperationalError("away"), RuntimeError("a bug")):
            with monkeypatch.context() as broken:
                if fault is not None:
                    in_every_writer(broken, "write", partial(failing_with, fault))
                for key in (KEY, WRONG):
                    for header in HEADERS.values():
                        answers += [
                            hook.post(body, kind, HTTP_AUTHORIZATION=header) for body, kind in bodies(key)
                        ]

        codes = {answer.status_code for answer in answers}
        texts = [*heard(), *told, *everything_shown(), *(answer.content.decode() for answer in answers)]
        texts += [str(answer.headers) for answer in answers]
        hidden = [*SECRETS, *(header.partition(" ")[2] for header in HEADERS.values() if header)]
        assert codes == {200, 400, 401, 403, 503}
        assert len(told) >= 4
        assert len(heard()) > 100
        assert [(word, text[:300]) for text in texts for word in hidden if word in text] == []

    def test_and_bodies_are_in_no_log_and_no_mail(self, heard, monkeypatch):
        hook = Hook()
        in_every_writer(monkeypatch, "write", lambda real: lambda *args: 1 / 0)

        answers = [
            hook.post(body, kind, HTTP_AUTHORIZATION=HEADERS["right token"]) for body, kind in bodies(KEY)
        ]

        assert {answer.status_code for answer in answers} == {400, 503}
        assert heard()
        assert [text[:300] for text in heard() if SUBJECT in text] == []

    def test_are_in_no_repr(self, heard):
        frame = wire.decode(bodies(KEY)[0][0])

        receipt = ingest.receive(frame)
        texts = [repr(each) for each in (frame, receipt, app_settings, conf, auth, wire.read)]

        assert [text for text in texts if KEY in text] == []


class TestWrongKeys:
    def test_are_answered_alike_whatever_they_are_and_without_sql(
        self, settings, django_assert_num_queries, heard
    ):
        settings.CMC_WEBHOOKS_BASIC_AUTH = settings.CMC_WEBHOOKS_BEARER_TOKENS = []
        keys = [None, "", WRONG, KEY.upper(), KEY[:-1], f"{KEY} ", 1, 0, True, [], [KEY], {}, {"key": KEY}]
        keys += [1.5, "é", "\x00", "x" * 100_000]

        with django_assert_num_queries(0):
            answers = [Hook().post(notification("deliveries", api_key=key)) for key in keys]
            answers.append(Hook().post(b'{"event_type": "deliveries", "event": "{}", "api_key": "\\ud800"}'))

        assert len({(answer.status_code, answer.content, str(answer.headers)) for answer in answers}) == 1
        assert answers[0].status_code == 403

    @pytest.mark.parametrize("kind", ["BASIC_AUTH", "BEARER_TOKENS"])
    def test_in_headers_are_answered_alike(self, settings, django_assert_num_queries, heard, kind):
        settings.CMC_WEBHOOKS_API_KEYS = []
        other = {"BASIC_AUTH": "BEARER_TOKENS", "BEARER_TOKENS": "BASIC_AUTH"}[kind]
        setattr(settings, f"CMC_WEBHOOKS_{other}", [])
        headers = [
            "",
            "Basic",
            "Bearer",
            basic(WRONG),
            f"Bearer {WRONG}",
            "Basic é",
            "Bearer \x00",
            "x" * 9_000,
        ]
        body = notification("deliveries", delivery(), api_key=None)

        with django_assert_num_queries(0):
            answers = [Hook().post(body, HTTP_AUTHORIZATION=header) for header in headers]

        assert len({(answer.status_code, answer.content, str(answer.headers)) for answer in answers}) == 1
        assert answers[0].status_code == (401 if kind == "BASIC_AUTH" else 403)
