"""The API beside the webhook. C56, C58, C59 and C60 stand in tests/api, for every list and parameter."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from django.core.cache import cache

from cmc_webhooks import models
from tests import factories
from tests.api.conftest import Api, user_with
from tests.conftest import bounce

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not find_spec("rest_framework"), reason="the API is an extra"),
]


class TestC57:
    @pytest.mark.parametrize(
        "query",
        ["created_after=notadate", "occurred_after=notadate", "page=abc", "page_size=-1", "limit=1e9"],
    )
    def test_a_refused_value_returns_no_rows(self, query):
        factories.BounceEventFactory.create_batch(3)
        api = Api(user_with("view_bounceevent"))

        answer = api.client.get(f"/api/bounce-events/?{query}")

        assert answer.status_code == 400
        assert "results" not in answer.json()

    def test_a_key_that_is_none_is_not_found(self):
        api = Api(user_with("view_bounceevent"))

        assert api.client.get("/api/bounce-events/abc/").status_code == 404


class TestC61:
    def test_the_webhook_knows_no_limit_of_the_api(self, open_hook, monkeypatch):
        from rest_framework.throttling import AnonRateThrottle
        from rest_framework.views import APIView

        monkeypatch.setattr(AnonRateThrottle, "rate", "2/min", raising=False)
        monkeypatch.setattr(APIView, "throttle_classes", [AnonRateThrottle])
        cache.clear()

        answers = [
            open_hook.send("bounces", bounce(f"<c61-{number}@example.com>"), api_key=None)
            for number in range(1, 6)
        ]

        assert [answer.status_code for answer in answers] == [200] * 5
        assert models.BounceEvent.objects.count() == 5
