"""A program reads the whole history, page by page, from a live server."""

from __future__ import annotations

import json

import httpx
import pytest

from cmc_webhooks import models
from tests.api.conftest import user_with
from tests.contract.test_api import cookies_of
from tests.helpers import factories

pytestmark = pytest.mark.django_db(transaction=True)

ROWS = 100_000


@pytest.fixture
def client(live_server, settings):
    settings.ROOT_URLCONF = "tests.contract.urls"
    cookies = cookies_of(user_with("view_deliveryevent"))
    with httpx.Client(base_url=live_server.url, cookies=cookies, timeout=60) as client:
        yield client


@pytest.fixture
def keys():
    """The keys of that many deliveries, the latest first."""
    mail = factories.MailFactory()
    events = factories.DeliveryEventFactory.build_batch(
        ROWS, mail=mail, notification=factories.NotificationFactory()
    )
    models.DeliveryEvent.objects.bulk_create(events, batch_size=5000)
    return sorted((str(event.pk) for event in events), reverse=True)


class TestClients:
    def test_read_every_row_once_page_by_page(self, client, keys):
        read, url = [], "/api/mail/delivery-events/?page_size=200"

        while url:
            page = client.get(url).raise_for_status().json()
            read += [row["id"] for row in page["results"]]
            url = page["next"]

        assert read == keys

    def test_read_every_row_once_as_a_stream(self, client, keys):
        with client.stream("GET", "/api/mail/delivery-events/?format=jsonl") as answer:
            read = [json.loads(line)["id"] for line in answer.iter_lines()]

        assert read == keys
