"""What the feed and `changed_after` read of tables that are much larger."""

from __future__ import annotations

import re

import pytest
from django.db import connection

from cmc_webhooks import feed, models
from tests.cases.test_rare_values import (
    MAILS,
    MOST_ROWS,
    MOST_STEPS,
    amount_read,
    analyse,
    plan_of,
    scans,
    statements,
    statements_of,
)
from tests.helpers import factories

pytestmark = pytest.mark.django_db

MOST = MOST_STEPS if connection.vendor == "sqlite" else MOST_ROWS
EPOCH = "0123456789abcdef"


@pytest.fixture(scope="module", autouse=True)
def _counted_at_once(django_db_setup, django_db_blocker):
    """Let InnoDB count rows at each change, not up to ten seconds later: its plans depend on them."""
    if connection.vendor != "mysql":
        return
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        for model in (models.Mail, models.Change):
            cursor.execute(f"ALTER TABLE {model._meta.db_table} STATS_PERSISTENT=0")


@pytest.fixture
def end(settings):
    """The end of a feed in which each of 2,000 mails changed twice."""
    settings.CMC_WEBHOOKS_CHANGE_FEED = True
    mails = [factories.MailFactory.build(number=number) for number in range(MAILS)]
    models.Mail.objects.bulk_create(mails)
    models.Change.objects.bulk_create(
        models.Change(seq=seq, kind="mail", key=mail.pk, server_composition="pro", at=mail.created_at)
        for seq, mail in enumerate(mails + mails, 1)
    )
    models.FeedHead.objects.create(epoch=EPOCH, seq=2 * MAILS, id=1)
    analyse()
    return 2 * MAILS


def before(end, number):
    return f"{EPOCH}.{end - number}"


def check(sqls, most=MOST):
    """Check what these statements read, and return the tables that they read as a whole, and the plans."""
    read = {sql: amount_read(sql) for sql in sqls}
    plans = [plan_of(sql) for sql in sqls]

    assert {sql: number for sql, number in read.items() if number > most} == {}
    whole = {table for plan in plans for table in scans(plan)} - {"cmc_webhooks_feedhead"}  # one row
    return whole, plans


@pytest.mark.parametrize("number", [0, 10, 3000])
class TestRead:
    def test_is_a_range_of_numbers_and_reads_no_more_than_a_page(self, end, number):
        run, page = statements_of(lambda: feed.read(before(end, number), limit=50))

        whole, plans = check([sql for sql in run if re.match(r"SELECT .*FROM .cmc_webhooks_", sql)])

        assert len(page.entries) == min(number, 50)
        assert whole == set()
        ranges = [plan for plan in plans if "cmc_webhooks_change" in plan and "feedhead" not in plan]
        assert len(ranges) == (number > 0)
        index = {"postgresql": "cmc_webhooks_change_seq", "mysql": "'seq'", "sqlite": "(seq>? AND seq<?)"}
        assert all(index[connection.vendor] in plan for plan in ranges)


class TestChangedAfter:
    @pytest.fixture(autouse=True)
    def with_the_api(self):
        pytest.importorskip("rest_framework")

    def read(self, browser, end, number, **parameters):
        found = statements(
            browser, "cmc_webhooks_api:mail-list", changed_after=before(end, number), **parameters
        )
        return [sql for sql in found if "cmc_webhooks_" in sql]

    @pytest.mark.parametrize("ordering", ["created_at", "-created_at", "-first_event_at"])
    @pytest.mark.parametrize("number", [0, 10])
    def test_of_few_changes_reads_the_changed_mails_alone(self, end, admin_client, number, ordering):
        whole, _ = check(self.read(admin_client, end, number, ordering=ordering))

        assert whole == set()

    @pytest.mark.parametrize("ordering", ["created_at", "-created_at"])
    def test_of_many_changes_reads_each_change_once(self, end, admin_client, ordering):
        """As many rows as changes, and not their square: a list of the keys is no join."""
        run = self.read(admin_client, end, 1500, ordering=ordering)

        check(run, most=16 * MOST_STEPS if connection.vendor == "sqlite" else 2 * MAILS)

    def test_of_too_many_changes_is_refused(self, end, admin_client, monkeypatch):
        from cmc_webhooks.api import feed_cursors

        monkeypatch.setattr(feed_cursors, "MOST", 100)

        assert admin_client.get("/api/mails/", {"changed_after": before(end, 100)}).status_code == 200
        answer = admin_client.get("/api/mails/", {"changed_after": before(end, 101)})
        assert answer.status_code == 400
        assert answer.json() == {"changed_after": ["More than 100 changes: follow changes/ instead."]}
