from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cmc_webhooks import models, timezones
from cmc_webhooks.statistics import hours
from tests.helpers import factories
from tests.helpers.plans import analyse, plan_of

pytestmark = pytest.mark.django_db

BEGIN = datetime(2026, 11, 29, 12, tzinfo=UTC)
EDGES = [timezones.to_stored(BEGIN + timedelta(hours=number)) for number in range(4)]


def mail(minutes, status="succeeded", **values):
    event = factories.DeliveryEventFactory()
    at = timezones.to_stored(BEGIN + timedelta(minutes=minutes))
    values = {"created_at": at, "status": status, "delivery_event_id": event.pk, **values}
    models.Mail.objects.filter(pk=event.mail_id).update(**values)


class TestByHour:
    def test_counts_each_status_between_two_times(self):
        for minutes, status in ((0, "succeeded"), (59, "failed"), (60, "failed"), (179, "queued")):
            mail(minutes, status)

        assert hours.by_hour("default", EDGES) == [
            {"succeeded": 1, "failed": 1},
            {"failed": 1},
            {"queued": 1},
        ]

    def test_leaves_out_what_is_before_and_after(self):
        mail(-1)
        mail(180)

        assert hours.by_hour("default", EDGES) == [{}, {}, {}]

    def test_leaves_out_what_the_daily_counters_do_not_count(self):
        mail(5, delivery_event_id=None)

        assert hours.by_hour("default", EDGES)[0] == {}

    def test_may_be_of_one_composition(self):
        mail(5, server_composition="a")
        mail(5, server_composition="b")

        assert hours.by_hour("default", EDGES, "a")[0] == {"succeeded": 1}

    def test_reads_the_mails_of_these_hours_alone_in_one_statement(self):
        models.Mail.objects.bulk_create(factories.MailFactory.build_batch(400))
        mail(5)
        analyse()
        with CaptureQueriesContext(connection) as asked:
            hours.by_hour("default", EDGES)

        [query] = asked.captured_queries
        assert "cmc_mail_created" in plan_of(query["sql"])
