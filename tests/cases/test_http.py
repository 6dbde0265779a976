from __future__ import annotations

import pytest
from django.test import Client

from tests import cases
from tests.conftest import API_KEY, CASES, FORM, HOOK

pytestmark = pytest.mark.django_db


class TestC44:
    @pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
    def test_csrf_checks_do_not_stop_it(self, settings, secure):
        settings.CMC_WEBHOOKS_API_KEYS = []
        settings.CMC_WEBHOOKS_ALLOW_UNAUTHENTICATED = True
        client = Client(enforce_csrf_checks=True, raise_request_exception=False)

        answer = client.generic(
            "POST", HOOK, (CASES / "C44.json").read_bytes(), "application/json", secure=secure
        )

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert answer.cookies == {}

    @pytest.mark.parametrize("referer", [None, "https://elsewhere.example/"])
    @pytest.mark.parametrize("origin", [None, "https://elsewhere.example", "null"])
    def test_holds_for_forms_and_strange_origins(self, open_hook, origin, referer):
        headers = {"HTTP_ORIGIN": origin, "HTTP_REFERER": referer, "HTTP_COOKIE": "csrftoken=x; sessionid=y"}

        answer = cases.post(
            open_hook,
            (CASES / "C19-3.form").read_bytes(),
            FORM,
            **{name: value for name, value in headers.items() if value},
        )

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}


class TestC45:
    @pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get"])
    @pytest.mark.parametrize("path", [HOOK, f"{HOOK}/"])
    @pytest.mark.parametrize("keys", [[], [API_KEY]], ids=["no secret set", "secret set"])
    def test_other_methods_are_not_allowed(self, settings, method, path, keys):
        settings.CMC_WEBHOOKS_API_KEYS = keys
        client = Client(enforce_csrf_checks=True, raise_request_exception=False)

        answer = client.generic(method, path)

        assert answer.status_code == 405
        assert "POST" in answer.headers["Allow"]
        assert cases.stored() == {}

    @pytest.mark.parametrize("path", [HOOK, f"{HOOK}/"])
    @pytest.mark.parametrize("keys", [[], [API_KEY]], ids=["no secret set", "secret set"])
    def test_options_are_told(self, settings, path, keys):
        settings.CMC_WEBHOOKS_API_KEYS = keys
        settings.CMC_WEBHOOKS_BASIC_AUTH = ["cmc:a-long-password"] if keys else []
        client = Client(enforce_csrf_checks=True, raise_request_exception=False)

        answer = client.generic("OPTIONS", path)

        assert (answer.status_code, answer.content) == (200, b"")
        assert "POST" in answer.headers["Allow"]
        assert cases.stored() == {}


class TestC46:
    @pytest.mark.parametrize(
        ("name", "content_type", "limit"), [("C18.json", "application/json", 1024), ("C15.form", FORM, 100)]
    )
    @pytest.mark.parametrize("setting", ["DATA_UPLOAD_MAX_MEMORY_SIZE", "CMC_WEBHOOKS_MAX_BODY"])
    def test_a_body_over_the_limit_is_refused(
        self, open_hook, settings, caplog, sent, name, content_type, limit, setting
    ):
        setattr(settings, setting, limit)

        answer = cases.post(open_hook, (CASES / name).read_bytes(), content_type)

        logged = [record for record in caplog.records if record.name.startswith("cmc_webhooks")]
        assert answer.status_code == 413
        assert len(answer.content) < 200
        assert cases.stored() == {}
        assert sent == []
        assert [record.levelname for record in logged] == ["WARNING"]
        assert [record.exc_info for record in caplog.records] == [None] * len(caplog.records)


class TestC47:
    @pytest.mark.parametrize("debug", [False, True], ids=["DEBUG off", "DEBUG on"])
    @pytest.mark.parametrize("append", [False, True], ids=["APPEND_SLASH off", "APPEND_SLASH on"])
    @pytest.mark.parametrize("path", [HOOK, f"{HOOK}/"], ids=["no slash", "slash"])
    def test_both_spellings_of_the_address_store(self, open_hook, settings, path, append, debug):
        settings.APPEND_SLASH = append
        settings.DEBUG = debug

        answer = open_hook.post((CASES / "C19-1.json").read_bytes(), path=path)

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}

    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "POST"])
    @pytest.mark.parametrize("path", [HOOK, f"{HOOK}/", f"{HOOK}?a=b", f"{HOOK}/?api_key=x"])
    @pytest.mark.parametrize("debug", [False, True], ids=["DEBUG off", "DEBUG on"])
    def test_no_method_is_ever_redirected(self, open_hook, settings, method, path, debug):
        settings.APPEND_SLASH = True
        settings.DEBUG = debug

        answer = open_hook.client.generic(method, path)

        assert answer.status_code in (200, 400, 405)
        assert "Location" not in answer.headers
