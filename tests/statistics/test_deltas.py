from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cmc_webhooks import ingest, models, wire
from cmc_webhooks.reprocessing import rebuild
from cmc_webhooks.statistics import deltas, recount
from tests.conftest import bounce, delivery, notification

USING = "default"
TODAY = date(2023, 1, 25)

pytestmark = pytest.mark.django_db


def receive(event_type, *events, at=datetime(2023, 1, 25, 5, tzinfo=UTC)):
    return ingest.receive(wire.decode(notification(event_type, *events)), received_at=at)


def counted():
    """The counts as sums over their shards, those of nothing left out."""
    sums = Counter()
    for part in models.MailCount.objects.all():
        sums[part.day, part.server_composition, part.status, part.bounce_class] += part.number
    return {cell: number for cell, number in sums.items() if number}


class TestIngest:
    def test_counts_each_mail_once_where_it_stands(self):
        receive("deliveries", delivery("<1@x>"), delivery("<2@x>", status="succeeded"))
        receive("deliveries", delivery("<1@x>", status="failed"), delivery("<3@x>"))
        receive("bounces", bounce("<2@x>"), bounce("<4@x>", status="5"))

        assert counted() == {
            (TODAY, "pro", "failed", ""): 1,
            (TODAY, "pro", "queued", ""): 1,
            (TODAY, "pro", "bounced", "hard"): 1,
            (TODAY, "pro", "bounced", "soft"): 1,
        }

    def test_moves_a_mail_between_classes_of_bounces(self):
        receive("bounces", bounce(status="5"))
        receive("bounces", bounce(status="2", created="2023-01-25 15:00:00"))

        assert counted() == {(TODAY, "pro", "bounced", "hard"): 1}

    def test_counts_a_mail_on_the_day_of_its_first_event(self):
        receive("deliveries", delivery())
        receive("deliveries", delivery(status="succeeded"), at=datetime(2023, 1, 27, tzinfo=UTC))

        assert counted() == {(TODAY, "pro", "succeeded", ""): 1}

    def test_takes_days_of_the_projects_zone(self, settings):
        settings.TIME_ZONE = "Asia/Tokyo"
        timezone.get_default_timezone.cache_clear()
        try:
            receive("deliveries", delivery(), at=datetime(2023, 1, 24, 15, 0, tzinfo=UTC))
            receive("deliveries", delivery("<2@x>"), at=datetime(2023, 1, 24, 14, 59, tzinfo=UTC))
            checked = recount.recount(USING, recount.days(USING), check=True)
        finally:
            timezone.get_default_timezone.cache_clear()

        assert {day: number for (day, *_), number in counted().items()} == {
            TODAY: 1,
            date(2023, 1, 24): 1,
        }
        assert checked.wrong == 0

    def test_leaves_counts_alone_on_repeats_and_blocks(self):
        for _ in range(2):
            receive("deliveries", delivery())
            receive("blocks", {"email": "user@example.jp", "status": "2"})

        assert counted() == {(TODAY, "pro", "queued", ""): 1}

    def test_is_one_statement_and_the_last_one(self):
        with CaptureQueriesContext(connection) as captured:
            receive(
                "deliveries",
                *(delivery(f"<{n}@x>", status=s) for n in range(9) for s in ("queued", "failed")),
            )

        statements = [query["sql"] for query in captured.captured_queries]
        touching = [sql for sql in statements if "cmc_webhooks_mailcount" in sql]
        writing = [sql for sql in statements if "INSERT" in sql or "UPDATE" in sql]
        assert len(touching) == 1
        assert touching[0] == writing[-1]

    def test_spreads_writers_over_the_shards(self, monkeypatch):
        shards = iter([3, 5])
        monkeypatch.setattr(deltas.secrets, "randbelow", lambda below: next(shards))

        receive("deliveries", delivery())
        receive("deliveries", delivery(status="succeeded"))

        parts = {(part.shard, part.status, part.number) for part in models.MailCount.objects.all()}
        assert parts == {(3, "queued", 1), (5, "queued", -1), (5, "succeeded", 1)}
        assert counted() == {(TODAY, "pro", "succeeded", ""): 1}


class TestRebuild:
    def test_moves_the_counts_with_the_statuses_that_it_repairs(self):
        receive("deliveries", delivery(), delivery(status="succeeded"))
        models.Mail.objects.update(status="queued", delivery_status="queued")
        recount.recount(USING, recount.days(USING))

        rebuild.rebuild(USING, models.Mail.objects.all())

        assert counted() == {(TODAY, "pro", "succeeded", ""): 1}
