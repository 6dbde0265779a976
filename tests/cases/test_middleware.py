"""Answers behind the middleware that compresses and compares them."""

from __future__ import annotations

import gzip
from importlib.util import find_spec

import pytest

from cmc_webhooks.models import Mail
from tests.api.conftest import Api, user_with
from tests.helpers import factories

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not find_spec("rest_framework"), reason="the API is an extra"),
]
PACKED = {"HTTP_ACCEPT_ENCODING": "gzip"}


@pytest.fixture
def client(settings):
    settings.MIDDLEWARE = [
        "django.middleware.gzip.GZipMiddleware",
        "django.middleware.http.ConditionalGetMiddleware",
        *settings.MIDDLEWARE,
    ]
    return Api(user_with("view_mail", "view_deliveryevent", "view_bounceevent")).client


class TestD72:
    """Answers stay right behind compression and conditional requests."""

    def test_a_weak_tag_matches_until_a_change(self, client):
        mail = factories.MailFactory(subject="x" * 1000)
        url = f"/api/mails/{mail.pk}/"

        first = client.get(url, **PACKED)
        tag = first.headers["ETag"]
        second = client.get(url, **PACKED, HTTP_IF_NONE_MATCH=tag)
        Mail.objects.update(reason="changed")
        third = client.get(url, **PACKED, HTTP_IF_NONE_MATCH=tag)

        assert first.headers["Content-Encoding"] == "gzip"
        assert tag.startswith("W/")
        assert [answer.status_code for answer in (first, second, third)] == [200, 304, 200]
        assert b"changed" in gzip.decompress(third.content)

    @pytest.mark.parametrize("name", ["mails", "delivery-events", "bounce-events"])
    @pytest.mark.parametrize("output", ["csv", "jsonl"])
    def test_a_compressed_file_is_whole(self, client, name, output):
        made = {
            "mails": factories.MailFactory,
            "delivery-events": factories.DeliveryEventFactory,
            "bounce-events": factories.BounceEventFactory,
        }[name]
        made.create_batch(120)

        answer = client.get(f"/api/{name}/", {"format": output}, **PACKED)
        lines = gzip.decompress(b"".join(answer)).decode().splitlines()

        assert answer.headers["Content-Encoding"] == "gzip"
        assert len(lines) == 120 + (output == "csv")

    def test_a_page_is_not_kept_past_a_change(self, client):
        factories.MailFactory.create_batch(3)

        first = client.get("/api/mails/", **PACKED)
        again = client.get("/api/mails/", **PACKED, HTTP_IF_NONE_MATCH=first.headers.get("ETag", ""))
        factories.MailFactory()
        later = client.get("/api/mails/", **PACKED, HTTP_IF_NONE_MATCH=first.headers.get("ETag", ""))

        assert first.status_code == 200
        assert again.status_code in (200, 304)
        assert later.status_code == 200
