"""Pages that are walked while rows arrive: none of those that were there is repeated or missed."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from cmc_webhooks import ingest, models, wire
from tests.conftest import delivery, notification

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor == 'sqlite'", reason="the test database is one connection's"),
]

BEFORE = 600


def receive(first, last):
    """That many new mails, with times on both sides of those that were there."""
    events = [
        delivery(
            f"<m{number}@example.com>", created=f"2023-01-{1 + number * 7 % 28:02} 10:00:{number % 60:02}"
        )
        for number in range(first, last)
    ]
    ingest.receive(wire.decode(notification("deliveries", *events)))


class Arrivals(threading.Thread):
    """Receives new mails until it is told to stop."""

    def __init__(self, first):
        super().__init__()
        self.first, self.received, self.stopped = first, 0, threading.Event()

    def run(self):
        try:
            while not self.stopped.is_set():
                receive(self.first + self.received, self.first + self.received + 10)
                self.received += 10
        finally:
            connection.close()


@pytest.mark.parametrize(
    ("name", "ordering"),
    [
        *[("mail", "created_at"), ("mail", "-created_at")],
        *[("mail", "first_event_at"), ("mail", "-first_event_at")],
        *[("delivery-event", "occurred_at"), ("delivery-event", "-occurred_at")],
        *[("delivery-event", "received_at"), ("delivery-event", "-received_at")],
    ],
)
class TestWalk:
    def test_repeats_and_misses_none(self, api, name, ordering):
        receive(0, BEFORE)
        there = {str(key) for key in _model(name).objects.values_list("pk", flat=True)}
        writers = [Arrivals(1_000_000 * number) for number in (1, 2)]
        for writer in writers:
            writer.start()

        try:
            page = api.list(name, ordering=ordering, page_size=7).json()
            walked = [row["id"] for row in page["results"]]
            while page["next"] and not there <= set(walked):
                page = api.page(page["next"])
                walked += [row["id"] for row in page["results"]]
        finally:
            for writer in writers:
                writer.stopped.set()
                writer.join()

        assert len(walked) == len(set(walked))
        assert there <= set(walked)
        assert all(writer.received for writer in writers)


def _model(name):
    return {"mail": models.Mail, "delivery-event": models.DeliveryEvent}[name]
