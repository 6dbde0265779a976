from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cmc_webhooks import models, timezones
from cmc_webhooks.admin.overview import replies
from cmc_webhooks.statistics import reports
from cmc_webhooks.timezones import DateRange
from tests.helpers import factories
from tests.helpers.plans import analyse, plan_of

pytestmark = pytest.mark.django_db


def scope(days=7, composition=None):
    today = timezones.today()
    return reports.Scope(DateRange(today - timedelta(days=days - 1), today), composition)


def refuse(number, reason, *, status="failed", domain="a.example", days=0, **values):
    at = timezones.to_stored(datetime.now(UTC) - timedelta(days=days))
    for _ in range(number):
        factories.MailFactory(status=status, domain=domain, reason=reason, created_at=at, **values)


class TestCommonest:
    def test_is_that_of_each_domain(self):
        refuse(2, "550 no such user")
        refuse(1, "452 full", status="bounced")
        refuse(1, "554 refused", domain="b.example")

        found = replies.commonest("default", scope(), ["a.example", "b.example"])

        assert found == {"a.example": "550 no such user", "b.example": "554 refused"}

    def test_names_nobody(self):
        refuse(1, "550 5.1.1 <taro@example.jp> unknown, id 4F7B2C9912")

        [reply] = replies.commonest("default", scope(), ["a.example"]).values()

        assert "taro" not in reply
        assert "4F7B2C9912" not in reply

    def test_is_of_these_days_domains_and_composition(self):
        refuse(1, "550 old", days=30)
        refuse(1, "550 other domain", domain="b.example")
        refuse(1, "550 other composition", server_composition="other")
        refuse(1, "250 ok", status="succeeded")
        refuse(1, "")

        assert replies.commonest("default", scope(composition="pro"), ["a.example"]) == {}

    def test_reads_the_latest_mails_alone(self, monkeypatch):
        monkeypatch.setattr(replies, "MOST_MAILS", 2)
        refuse(5, "550 earlier", days=2)
        refuse(2, "554 later", days=1)

        assert replies.commonest("default", scope(), ["a.example"]) == {"a.example": "554 later"}

    def test_is_two_statements_however_many_domains(self, django_assert_num_queries):
        with django_assert_num_queries(2):
            replies.commonest("default", scope(), [f"{number}.example" for number in range(20)])

    def test_is_read_by_the_index_of_the_status(self):
        models.Mail.objects.bulk_create(factories.MailFactory.build_batch(400, status="succeeded"))
        refuse(2, "550 no")
        analyse()
        with CaptureQueriesContext(connection) as asked:
            replies.commonest("default", scope(), ["a.example"])

        for query in asked.captured_queries:
            assert "cmc_mail_status" in plan_of(query["sql"])
