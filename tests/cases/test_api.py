"""The API beside the webhook. C56, C58, C59 and C60 stand in tests/api, for every list and parameter."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from django.core.cache import cache
from django.core.signals import request_finished
from django.urls import reverse

from cmc_webhooks import models
from tests.api.conftest import Api, user_with
from tests.conftest import bounce
from tests.helpers import factories

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


class TestD22ByTheApi:
    """Downloading leaves a trace."""

    @pytest.fixture
    def bi(self):
        return user_with("view_mail", "view_deliveryevent", "view_notification")

    @pytest.fixture
    def logged(self, caplog):
        caplog.set_level("INFO", "cmc_webhooks")
        return lambda: [each for each in caplog.records if each.cmc_event == "personal_data_exported"]

    @pytest.mark.parametrize(("kind", "lines"), [("csv", 4), ("jsonl", 3)])
    def test_names_user_list_filters_and_rows(self, bi, logged, kind, lines):
        factories.MailFactory.create_batch(3, recipient="hanako@example.jp")

        answer = Api(bi).list("mail", format=kind, recipient="hanako@example.jp", domain="", page_size=2)
        text = b"".join(answer.streaming_content).decode()

        [record], [row] = logged(), models.Trail.objects.all()
        assert len(text.splitlines()) == lines
        assert (record.who, record.list, record.rows) == (str(bi.pk), "mail", 3)
        assert record.filters == ["format", "page_size", "recipient"]
        assert (row.what, row.via, row.who, row.rows) == ("exported", "api", str(bi.pk), 3)
        assert row.details == {
            "list": "mail",
            "format": kind,
            "filters": ["format", "page_size", "recipient"],
        }
        assert "hanako" not in f"{record.getMessage()} {vars(record)} {models.Trail.objects.values()}"

    def test_holds_a_download_that_was_cut_short(self, bi, logged, monkeypatch):
        factories.DeliveryEventFactory.create_batch(3)
        answer = Api(bi).list("delivery-event", format="csv")

        assert models.Trail.objects.get().rows is None
        with monkeypatch.context() as patch:
            patch.setattr(request_finished, "send", lambda **options: None)  # it closes the connection
            answer.close()

        assert models.Trail.objects.get().details["interrupted"] is True
        assert logged()[0].interrupted is True

    def test_has_no_page_no_head_and_no_list_without_personal_data(self, bi, logged):
        factories.NotificationFactory()
        api = Api(bi)

        assert api.list("mail").status_code == 200
        assert api.client.head(reverse("cmc_webhooks_api:mail-list"), {"format": "csv"}).status_code == 200
        assert b"".join(api.list("notification", format="csv").streaming_content).count(b"\n") == 2
        assert b"".join(
            api.client.get(reverse("cmc_webhooks_api:stats"), {"format": "csv"}).streaming_content
        )

        assert not models.Trail.objects.exists()
        assert logged() == []

    def test_has_no_download_that_was_refused(self, bi):
        assert Api(bi).list("mail", format="csv", status_x="1").status_code == 400
        assert Api(user_with()).list("mail", format="csv").status_code == 403

        assert not models.Trail.objects.exists()
