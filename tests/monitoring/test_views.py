from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.util import find_spec

import pytest
from django.contrib.auth.models import Permission, User
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from cmc_webhooks.db import transactions
from cmc_webhooks.monitoring import health, views
from tests.conftest import API_KEY
from tests.helpers import factories

TOKEN = "t0ken-of-the-monitoring"
PATHS = ("/cmc/health", "/cmc/health/metrics")

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def tokens(settings):
    settings.CMC_WEBHOOKS_HEALTH_TOKENS = ["an-0lder-token-than-that", TOKEN]


def ask(path="/cmc/health", token=TOKEN, client=None, method="GET", **headers):
    """The answer to somebody who sends this token."""
    client = client or Client(raise_request_exception=False, enforce_csrf_checks=True)
    if token is not None:
        headers["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client.generic(method, path, **headers)


def signed_in(*codenames, **values):
    client = Client(raise_request_exception=False)
    user = User.objects.create_user("somebody", **values)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


def ours(caplog):
    return [record for record in caplog.records if record.name.startswith("cmc_webhooks")]


def heard(hours):
    factories.NotificationFactory(received_at=datetime.now(UTC) - timedelta(hours=hours))


class TestHealth:
    def test_has_an_address_in_both_spellings(self):
        assert reverse("cmc_webhooks_health:health") == "/cmc/health"
        assert reverse("cmc_webhooks_health:metrics") == "/cmc/health/metrics"
        assert [ask(path).status_code for path in ("/cmc/health", "/cmc/health/")] == [200, 200]

    def test_is_ok_where_all_is_well(self):
        heard(hours=1)

        answer = ask()

        told = answer.json()
        assert answer.status_code == 200
        assert (told["status"], told["problems"], told["pending"], told["dead"]) == ("ok", [], 0, 0)
        assert told["silence"] == pytest.approx(3600, abs=60)

    def test_tells_each_problem(self):
        factories.PendingSignalFactory(items=[[]])
        factories.PendingSignalFactory(items=[[]] * 2, state="dead")
        factories.RejectedEventFactory()

        answer = ask("/cmc/health?fail_if_silent=2h")

        assert answer.status_code == 503
        assert answer.json()["status"] == "failing"
        assert [problem.split()[0] for problem in answer.json()["problems"]] == ["2", "The", "1", "No"]

    @pytest.mark.parametrize(
        ("query", "setting", "code"),
        [
            ("", None, 200),
            ("?fail_if_silent=2h", None, 503),
            ("?fail_if_silent=4h", None, 200),
            ("", 7200, 503),
            ("", 14_400, 200),
            ("?fail_if_silent=4h", 7200, 200),
        ],
    )
    def test_knows_how_long_a_silence_is_well(self, settings, query, setting, code):
        settings.CMC_WEBHOOKS_MAX_SILENCE = setting
        heard(hours=3)

        assert ask(f"/cmc/health{query}").status_code == code

    @pytest.mark.parametrize("wrong", ["", "soon", "2", "-2h", "%00", "2h%F0"])
    def test_refuses_what_is_no_duration(self, wrong):
        answer = ask(f"/cmc/health?fail_if_silent={wrong}")

        assert answer.status_code == 400
        assert "90s, 30m, 2h or 1d" in answer.json()["error"]

    def test_costs_five_statements(self, django_assert_num_queries):
        heard(hours=1)

        with django_assert_num_queries(5):
            answer = ask()

        assert answer.status_code == 200

    def test_gives_no_body_to_head(self):
        answer = ask(method="HEAD")

        assert (answer.status_code, answer.content) == (200, b"")


class TestEachView:
    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    def test_is_for_get_and_head(self, path, method):
        answer = ask(path, method=method)

        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize(
        "header",
        [
            None,
            "Bearer",
            "Bearer ",
            f"Bearer {TOKEN[:-1]}",
            f"Bearer {TOKEN.upper()}",
            f"Basic {TOKEN}",
            TOKEN,
            f"Bearer {API_KEY}",
            "Bearer \x00",
            "Bearer é",
            "Bearer " + "x" * 9_000,
        ],
    )
    def test_challenges_whoever_has_no_token(self, path, header, django_assert_num_queries):
        headers = {} if header is None else {"HTTP_AUTHORIZATION": header}

        with django_assert_num_queries(0):
            answer = ask(path, token=None, **headers)

        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (
            401,
            'Bearer realm="cmc_webhooks"',
        )
        assert list(answer.json()) == ["error"]

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("tokens", [[], [""], None, ()], ids=repr)
    def test_is_closed_where_no_token_is_configured(self, settings, path, tokens):
        settings.CMC_WEBHOOKS_HEALTH_TOKENS = tokens

        answers = [ask(path, token=token) for token in (None, "", TOKEN)]

        assert {answer.status_code for answer in answers} <= {401, 403}

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize(
        ("codenames", "values", "code"),
        [
            (["view_notification"], {}, 200),
            ([], {}, 403),
            (["view_mail"], {"is_staff": True}, 403),
            ([], {"is_superuser": True}, 200),
            (["view_notification"], {"is_active": False}, 401),
        ],
    )
    def test_asks_for_a_permission(self, monkeypatch, path, codenames, values, code):
        monkeypatch.setattr(views, "HAS_METRICS", False)
        client = signed_in(*codenames, **values)

        answer = ask(path, token=None, client=client)

        assert answer.status_code == (404 if code == 200 and path.endswith("metrics") else code)

    def test_challenges_nobody_who_is_signed_in(self):
        answer = ask(token=None, client=signed_in())

        assert "WWW-Authenticate" not in answer.headers

    @pytest.mark.parametrize("path", PATHS)
    def test_is_kept_by_nobody(self, path):
        answers = [
            ask(path),
            ask(path, token=None),
            ask(path, method="POST"),
            ask(f"{path}?fail_if_silent=x"),
        ]

        assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}

    def test_is_open_to_a_token_where_all_else_wants_a_login(self, settings):
        settings.MIDDLEWARE = [
            *settings.MIDDLEWARE,
            "django.contrib.auth.middleware.LoginRequiredMiddleware",
        ]

        assert [ask().status_code, ask(token=None).status_code] == [200, 401]

    def test_needs_no_user(self, settings):
        settings.MIDDLEWARE = []

        assert [ask().status_code, ask(token=None).status_code] == [200, 401]

    @pytest.mark.parametrize("path", PATHS)
    def test_tells_no_secret(self, caplog, path):
        answers = [ask(path, token="wr0ng-one-of-somebody"), ask(path)]

        texts = [*(record.__dict__ for record in caplog.records), *(answer.content for answer in answers)]
        assert [text for text in map(str, texts) if "wr0ng" in text or TOKEN in text] == []
        assert [record.cmc_event for record in ours(caplog)] == ["health_refused"]


class TestWithoutDatabase:
    @pytest.fixture(autouse=True)
    def away(self, monkeypatch):
        monkeypatch.setattr(transactions.time, "sleep", lambda seconds: None)

    def fail(self, *args, **kwargs):
        raise OperationalError("the server of example.com is gone")

    def test_is_unavailable(self, monkeypatch, caplog):
        monkeypatch.setattr(health, "_look", self.fail)

        answer = ask()

        assert answer.status_code == 503
        assert answer.json() == {"status": "unavailable", "problems": ["the database is unavailable"]}
        assert [record.cmc_event for record in ours(caplog)] == ["health_failed"]
        assert {record.levelname for record in caplog.records} == {"WARNING"}

    @pytest.mark.parametrize("path", PATHS)
    def test_is_unavailable_where_the_user_is_looked_up(self, monkeypatch, path):
        client = signed_in("view_notification")
        monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.load", self.fail)

        answer = ask(path, token=None, client=client)

        assert (answer.status_code, answer.json()["problems"]) == (503, ["the database is unavailable"])

    def test_is_unavailable_for_any_other_reason(self, settings, caplog):
        settings.CMC_WEBHOOKS_MAX_SILENCE = "two hours"

        answer = ask()

        assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
        assert [record.cmc_event for record in ours(caplog)] == ["health_failed"]
        assert "two hours" not in answer.content.decode()


class TestMetrics:
    def test_are_found_where_the_package_is(self):
        answer = ask("/cmc/health/metrics")

        assert answer.status_code == (200 if find_spec("prometheus_client") else 404)

    def test_are_not_found_without_it(self, monkeypatch):
        monkeypatch.setattr(views, "HAS_METRICS", False)

        answer = ask("/cmc/health/metrics/")

        assert (answer.status_code, answer.json()) == (404, {"error": "prometheus-client is not installed"})
