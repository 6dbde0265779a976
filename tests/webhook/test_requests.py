"""Methods, addresses, other people's middleware, and what is logged."""

from __future__ import annotations

import logging
from urllib.parse import urlencode

import pytest
from django.db import connections
from django.test import Client

from cmc_webhooks import models
from tests.conftest import API_KEY, FORM, HOOK, delivery
from tests.webhook.posts import GOOD, form, frame, multipart, own_logs, stored

pytestmark = pytest.mark.django_db


class TestMethods:
    """The webhook is for POST; the other methods are answered without a secret."""

    @pytest.mark.parametrize("secrets", ["none", "set"])
    @pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
    def test_refuses_others_and_tells_which_it_takes(self, settings, method, secrets):
        settings.CMC_WEBHOOKS_API_KEYS = [API_KEY] if secrets == "set" else []
        settings.CMC_WEBHOOKS_BEARER_TOKENS = ["a-token-of-some-length"] if secrets == "set" else []

        answer = Client(raise_request_exception=False).generic(method, HOOK)

        assert answer.status_code == 405
        assert answer.headers["Allow"] == "POST, OPTIONS"

    def test_refuses_others_even_with_a_good_body(self, hook):
        answer = hook.client.generic("PUT", HOOK, GOOD, content_type="application/json")

        assert answer.status_code == 405
        assert stored() == {}

    @pytest.mark.parametrize("secrets", ["none", "set"])
    def test_answers_options(self, settings, secrets):
        settings.CMC_WEBHOOKS_API_KEYS = [API_KEY] if secrets == "set" else []

        answer = Client(raise_request_exception=False).options(HOOK)

        assert (answer.status_code, answer.headers["Allow"]) == (200, "POST, OPTIONS")


class TestRedirects:
    """No spelling of the address is ever redirected."""

    @pytest.mark.parametrize("debug", [False, True], ids=["DEBUG off", "DEBUG on"])
    @pytest.mark.parametrize("path", [HOOK, f"{HOOK}/"])
    def test_takes_both_spellings(self, hook, settings, path, debug):
        settings.APPEND_SLASH = True
        settings.DEBUG = debug

        answers = [hook.post(GOOD, path=path), hook.post(b"{", path=path), hook.client.get(path)]

        assert [answer.status_code for answer in answers] == [200, 400, 405]


class TestMiddleware:
    """The webhook works behind what projects put before it."""

    def test_is_exempt_from_csrf_checks(self, hook):
        assert hook.client.handler.enforce_csrf_checks
        assert hook.post(GOOD, HTTP_ORIGIN="https://elsewhere.example").status_code == 200

    def test_is_exempt_from_login(self, hook, settings):
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]

        assert hook.post(GOOD).status_code == 200
        assert hook.client.get("/admin/").status_code == 302

    @pytest.mark.django_db(transaction=True)
    def test_commits_before_it_answers_under_atomic_requests(self, hook, sent, monkeypatch):
        for database in connections.settings.values():
            monkeypatch.setitem(database, "ATOMIC_REQUESTS", True)

        answers = [hook.post(GOOD), hook.post(GOOD)]

        assert [answer.json()["new"] for answer in answers] == [1, 0]
        assert len(sent.of("event_recorded")) == 1

    @pytest.mark.parametrize("kind", ["json", "form", "multipart", "json as multipart"])
    def test_takes_a_body_that_was_read_already(self, hook, settings, kind):
        settings.MIDDLEWARE = ["tests.webhook.posts.reads_post", *settings.MIDDLEWARE]
        boundary = "multipart/form-data; boundary=b"
        body, content_type = {
            "json": (GOOD, "application/json"),
            "form": (urlencode(form(delivery())).encode(), FORM),
            "multipart": (multipart(**form(delivery())), boundary),
            "json as multipart": (b"--b\r\n" + GOOD, boundary),
        }[kind]

        answer = hook.post(body, content_type)

        if kind == "json as multipart":
            assert answer.status_code == 400
        else:
            assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
            assert models.Mail.objects.get().subject == delivery()["subject"]

    @pytest.mark.parametrize("name", ["api_key", "event_type", "event"])
    def test_refuses_a_name_given_twice_in_a_body_that_was_read_already(self, hook, settings, name):
        settings.MIDDLEWARE = ["tests.webhook.posts.reads_post", *settings.MIDDLEWARE]
        fields = form(delivery())
        body = multipart(**{name: fields[name]}).removesuffix(b"--b--\r\n") + multipart(**fields)

        answer = hook.post(body, "multipart/form-data; boundary=b")

        assert answer.status_code == 400
        assert stored() == {"RejectedEvent": 1}

    def test_checks_the_key_of_a_body_that_was_read_already(self, hook, settings):
        settings.MIDDLEWARE = ["tests.webhook.posts.reads_post", *settings.MIDDLEWARE]

        answer = hook.post(multipart(**form(delivery(), api_key="wrong")), "multipart/form-data; boundary=b")

        assert answer.status_code == 403
        assert stored() == {}


class TestLog:
    """Each refusal is one line of the log, without secrets and without raw line breaks."""

    BREAKS = "a\r\nb\u2028c\x85d\x0be\x1cf"
    REFUSALS = {
        "empty": (b"", {}),
        "broken": (b"{" + GOOD, {}),
        "wrong key": (frame(api_key="a-wrong-key\r\nof theirs"), {}),
        "type with breaks": (frame(event_type=BREAKS), {}),
        "type is the key": (frame(event_type=[API_KEY]), {}),
        "event is the key": (frame(event=API_KEY), {}),
        "names twice": (b'{"api_key": "%s", "api_key": "a-wrong-key"}' % API_KEY.encode(), {}),
        "too many": (frame(event={"deliveries": [1] * 1001}), {}),
        "charset": (GOOD, {"content_type": f"application/json; charset={API_KEY}"}),
        "encoding": (GOOD, {"HTTP_CONTENT_ENCODING": API_KEY}),
        "too large": (GOOD, {"CONTENT_LENGTH": "9999999"}),
        "a list twice": (frame(event={"deliveries": [], " deliveries": [API_KEY]}), {}),
    }

    @pytest.mark.parametrize("refusal", REFUSALS)
    def test_has_one_line_for_a_refusal(self, hook, caplog, refusal):
        body, headers = self.REFUSALS[refusal]

        answer = hook.post(body, **headers)

        (record,) = own_logs(caplog)
        assert 400 <= answer.status_code < 500
        assert record.levelno == logging.WARNING
        assert str(answer.status_code) in record.getMessage()
        assert len(record.getMessage().splitlines()) == 1
        assert record.exc_info is None
        for text in (caplog.text, answer.content.decode(), str(answer.headers)):
            assert API_KEY not in text
            assert "a-wrong-key" not in text

    @pytest.mark.parametrize(
        "settings_of",
        [{"BASIC_AUTH": ["cmc:a-long-password"]}, {"BEARER_TOKENS": ["a-long-password"]}],
        ids=str,
    )
    def test_has_no_credentials(self, hook, settings, caplog, settings_of):
        for name, value in settings_of.items():
            setattr(settings, f"CMC_WEBHOOKS_{name}", value)

        answer = hook.post(GOOD, HTTP_AUTHORIZATION="Bearer another-password")

        (record,) = own_logs(caplog)
        assert answer.status_code in (401, 403)
        assert "password" not in record.getMessage() + answer.content.decode()

    def test_has_one_line_for_each_rejected_event_with_its_place(self, hook, caplog):
        hook.send("deliveries", delivery(), delivery(to=[]), {self.BREAKS: 1, "to": {}}, "odd")

        lines = [record.getMessage() for record in own_logs(caplog)]
        assert [f"event.deliveries[{place}]" in line for place, line in enumerate(lines, start=1)] == [
            True
        ] * 3
        assert [len(line.splitlines()) for line in lines] == [1, 1, 1]

    def test_has_counts_and_nothing_else_of_a_good_body(self, hook, caplog):
        caplog.set_level(logging.DEBUG)

        hook.post(GOOD)

        (record,) = own_logs(caplog)
        assert record.getMessage() == "Stored: 1 new, 0 repeated, 0 rejected"
        assert "user@example.jp" not in " ".join(str(vars(record)) for record in caplog.records)
