"""Cases of kind V: retention and commands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cmc_webhooks import models, retention, wire
from cmc_webhooks.store import deletion
from tests.conftest import delivery
from tests.helpers import factories

pytestmark = pytest.mark.django_db


def _long_ago(mail, number):
    moment = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(milliseconds=number)
    return models.DeliveryEvent(
        id=wire.key_at(moment),
        mail=mail,
        notification_id=wire.key_at(moment),
        occurred_at=moment,
        received_at=moment,
        status="queued",
    )


class TestC64PurgingABigTable:
    def test_goes_in_batches_survives_an_interruption_and_lets_events_in(self, hook, monkeypatch):
        mail = factories.MailFactory()
        old = models.DeliveryEvent.objects
        old.bulk_create([_long_ago(mail, number) for number in range(5000)], batch_size=1000)
        for number in range(10):
            hook.send("deliveries", delivery(f"<new{number}@x>", created="2099-01-01 00:00:00"))
        remove, removals, answers = deletion.remove, [], []

        def remove_twice(using, keys, **options):
            removals.append(len(keys))
            if len(removals) == 3:
                raise KeyboardInterrupt
            return remove(using, keys, **options)

        def post(pace, took):
            answers.append(hook.send("deliveries", delivery("<between@x>", created="2099-01-01 00:00:00")))

        monkeypatch.setattr(deletion, "remove", remove_twice)
        monkeypatch.setattr(retention.Pace, "after", post)
        monkeypatch.setattr(retention, "FIRST", 500)
        arguments = ("--kind=events", "--days=30", "--batch-size=500", "--pause=0")
        with pytest.raises(CommandError, match="events 1000 deleted or erased"):
            call_command("cmc_prune", *arguments)
        left = old.count()
        monkeypatch.setattr(deletion, "remove", remove)
        with CaptureQueriesContext(connection) as queries:
            call_command("cmc_prune", *arguments)

        deletes = [query["sql"] for query in queries if "DELETE FROM" in query["sql"]]
        assert {answer.status_code for answer in answers} == {200}
        assert left == 4011
        assert len(deletes) == 8
        assert old.count() == 11
