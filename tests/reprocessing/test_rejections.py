from __future__ import annotations

import json
from datetime import timedelta

import pytest

from cmc_webhooks import ingest, models
from cmc_webhooks.reprocessing import rejections
from tests.conftest import delivery
from tests.helpers import factories

USING = "default"

pytestmark = pytest.mark.django_db(transaction=True)


def rejected(event, **values):
    return factories.RejectedEventFactory(raw=json.dumps(event), **values)


def every():
    return models.RejectedEvent.objects.all()


class TestRetry:
    def test_stores_what_can_be_read_now_as_if_it_had_come_then(self, sent):
        row = rejected(delivery(created=""), received_at=factories.START - timedelta(days=9))

        retried = rejections.retry(USING, every())

        event = models.DeliveryEvent.objects.get()
        row.refresh_from_db()
        assert retried == rejections.Retried(resolved=1)
        assert event.received_at == event.occurred_at == factories.START - timedelta(days=9)
        assert row.resolved_at is not None
        assert [name for name, _, _ in sent] == ["event_recorded", "status_changed"]

    def test_leaves_a_notification_that_says_so(self):
        rejected(delivery())

        rejections.retry(USING, every())

        assert models.Notification.objects.get().source == "retry"

    @pytest.mark.parametrize(
        "row",
        [
            pytest.param({"raw": json.dumps(delivery(to=["x@y"]))}, id="odd still"),
            pytest.param(
                {"raw": json.dumps(delivery()), "event_type": "opens"}, id="of a type still unknown"
            ),
            pytest.param({"raw": '{"to": "cut of'}, id="cut off"),
            pytest.param({"raw": '"text"'}, id="no object"),
        ],
    )
    def test_leaves_open_what_cannot(self, row):
        factories.RejectedEventFactory(**row)

        assert rejections.retry(USING, every()) == rejections.Retried(rejected=1)
        assert every().get().resolved_at is None
        assert every().count() == 1

    def test_reads_only_in_a_dry_run(self):
        rejected(delivery())
        rejected("odd")

        assert rejections.retry(USING, every(), dry_run=True) == rejections.Retried(resolved=1, rejected=1)
        assert not models.DeliveryEvent.objects.exists()
        assert not every().exclude(resolved_at=None).exists()

    def test_does_not_double_what_came_by_another_way(self, open_hook):
        open_hook.send("deliveries", delivery(), api_key=None)
        rejected(delivery())

        assert rejections.retry(USING, every()) == rejections.Retried(resolved=1)
        assert models.DeliveryEvent.objects.count() == 1

    def test_tells_how_far_it_is(self):
        for number in range(3):
            rejected(delivery(f"<m{number}@x>"))
        done = []

        rejections.retry(USING, every(), progress=done.append)

        assert sum(done) == 3

    def test_leaves_resolved_ones_alone(self):
        rejected(delivery(), resolved_at=factories.START)

        assert rejections.retry(USING, every()) == rejections.Retried()

    def test_keeps_what_the_database_refuses_open(self, monkeypatch):
        rejected(delivery())
        monkeypatch.setattr(ingest, "receive", lambda frame, **how: ingest.Receipt(0, 0, 1))

        assert rejections.retry(USING, every()) == rejections.Retried(rejected=1)
