from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError
from django.test import Client, override_settings
from django.urls import path

from cmc_webhooks.db import transactions
from cmc_webhooks.monitoring import health
from tests.helpers import factories

views = pytest.importorskip("health_check.views")

from cmc_webhooks import contrib_health  # noqa: E402 - its package may be missing

pytestmark = pytest.mark.django_db(transaction=True)


class Urlconf:
    """A project with the view of django-health-check, and the check in it."""

    def __init__(self, **options):
        checks = [("cmc_webhooks.contrib_health.CmcWebhooks", options)]
        self.urlpatterns = [path("health/", views.HealthCheckView.as_view(checks=checks))]


def asked(**options):
    """The status and the line of the check."""
    with override_settings(ROOT_URLCONF=Urlconf(**options)):
        answer = Client().get("/health/?format=json")
    (said,) = json.loads(answer.content).values()
    return answer.status_code, said


class TestCmcWebhooks:
    def test_is_content_with_a_healthy_app(self):
        factories.NotificationFactory()

        assert asked() == (200, "OK")

    def test_says_what_is_wrong(self):
        factories.PendingSignalFactory(items=[[]], state="dead")
        factories.RejectedEventFactory()

        code, said = asked()

        assert code == 500
        assert said.startswith("Warning: 1 signal is dead")
        assert "1 event could not be read" in said

    @pytest.mark.parametrize(
        ("options", "setting", "code"),
        [
            ({}, None, 200),
            ({"fail_if_silent": 7200}, None, 500),
            ({}, 7200, 500),
            ({"fail_if_silent": 14_400}, 7200, 200),
        ],
    )
    def test_knows_how_long_a_silence_is_well(self, settings, options, setting, code):
        settings.CMC_WEBHOOKS_MAX_SILENCE = setting
        factories.NotificationFactory(received_at=datetime.now(UTC) - timedelta(hours=3))

        assert asked(**options)[0] == code

    def test_knows_how_long_a_signal_may_be_owed(self):
        factories.PendingSignalFactory(items=[[]])

        assert [asked()[0], asked(max_age=1e12)[0]] == [500, 200]

    def test_is_unavailable_where_the_database_is_away(self, monkeypatch):
        def away(using):
            raise OperationalError("the server of example.com is gone")

        monkeypatch.setattr(health, "_look", away)
        monkeypatch.setattr(transactions.time, "sleep", lambda seconds: None)

        assert asked() == (500, "Unavailable: the database is unavailable")

    def test_has_a_repr_for_the_page(self):
        assert repr(contrib_health.CmcWebhooks()) == "CmcWebhooks(max_age=900.0, fail_if_silent=None)"
