from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from cmc_webhooks import models, retention
from cmc_webhooks.db import session
from tests import cases
from tests.conftest import delivery

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL alone keeps plans of checks"),
]


@pytest.fixture
def plans():
    """Collect the plans of a new connection: those of the foreign key checks of events, or others."""
    connection.ensure_connection()
    if not hasattr(connection.connection, "add_notice_handler"):
        pytest.skip("psycopg 3 hands notices to a function")
    connection.close()
    with connection.cursor() as cursor:
        for model in (models.Mail, models.DeliveryEvent, models.BounceEvent):
            cursor.execute(f"VACUUM ANALYZE {model._meta.db_table}")
        cursor.execute("LOAD 'auto_explain'")
        for name, value in {
            "auto_explain.log_min_duration": "0",
            "auto_explain.log_nested_statements": "on",
            "auto_explain.log_level": "notice",
        }.items():
            cursor.execute(f"SET {name} = {value}")
    notices = []
    connection.connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))

    def found(pattern=r"cmc_webhooks_mail.* FOR KEY SHARE"):
        checks = [text for text in notices if re.search(pattern, text)]
        notices.clear()
        return checks

    yield found
    connection.close()


def post(hook, first, last):
    for number in range(first, last):
        events = [delivery(f"<{number}-{each}@x>") for each in range(50)]
        assert cases.send(hook, "deliveries", *events).status_code == 200


@pytest.mark.parametrize("raw_sql", [True, False], ids=["SQL", "ORM"])
class TestD09:
    """Plans that were made for an empty table."""

    def test_are_not_kept_while_the_table_grows(self, open_hook, settings, plans, raw_sql):
        settings.CMC_WEBHOOKS_RAW_SQL = raw_sql
        post(open_hook, 0, session.PLAN_USES + 1)
        plans()

        post(open_hook, 100, 103)
        checks = plans()

        assert len(checks) == 150
        assert [text for text in checks if "Seq Scan" in text] == []

    def test_are_not_kept_after_a_truncate(self, open_hook, settings, plans, raw_sql):
        settings.CMC_WEBHOOKS_RAW_SQL = raw_sql
        post(open_hook, 0, 12)
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {models.Mail._meta.db_table} CASCADE")
            cursor.execute(f"VACUUM ANALYZE {models.Mail._meta.db_table}")
        post(open_hook, 200, 201 + session.PLAN_USES)
        plans()

        post(open_hook, 300, 302)
        checks = plans()

        assert len(checks) == 100
        assert [text for text in checks if "Seq Scan" in text] == []

    def test_are_not_kept_while_other_connections_fill_the_table(
        self, open_hook, settings, plans, monkeypatch, raw_sql
    ):
        settings.CMC_WEBHOOKS_RAW_SQL = raw_sql
        post(open_hook, 0, 1)
        other = connection.copy()
        with other.cursor() as cursor:
            mail = models.Mail._meta.db_table
            names = ", ".join(
                field.column for field in models.Mail._meta.concrete_fields if field.name != "id"
            )
            copies = f"SELECT gen_random_uuid(), {names} FROM {mail} CROSS JOIN generate_series(1, 40)"  # noqa: S608 - our own words
            cursor.execute(f"INSERT INTO {mail} (id, {names}) {copies}")
        other.close()
        monkeypatch.setattr(session, "PLAN_SECONDS", 0)
        plans()

        post(open_hook, 1, 2)
        checks = plans()

        assert len(checks) == 50
        assert [text for text in checks if "Seq Scan" in text] == []

    def test_are_discarded_without_a_statement_more(self, open_hook, settings, raw_sql):
        settings.CMC_WEBHOOKS_RAW_SQL = raw_sql
        numbers = []
        for number in range(session.PLAN_USES + 2):
            sent = []

            def note(execute, sql, params, many, context, sent=sent):
                sent.append(sql)
                return execute(sql, params, many, context)

            with connection.execute_wrapper(note):
                post(open_hook, number, number + 1)
            numbers.append(len(sent))

        assert len(set(numbers)) == 1


def prune(kind):
    pace = retention.Pace(pause=0)
    return retention.prune("default", kind, datetime.now(UTC) + timedelta(days=1), pace=pace)


class TestD09Pruning:
    """Plans that were made for nearly empty tables, over a connection that only prunes."""

    SCANS = "Seq Scan on cmc_webhooks_(?:mail|deliveryevent|bounceevent)\\b"

    @pytest.fixture
    def grown(self, open_hook, plans, monkeypatch):
        """Mails and events that nobody has analysed, and a connection that has pruned some before."""
        post(open_hook, 0, 2)
        prune("mails")
        with monkeypatch.context() as patch:  # another connection has stored them
            patch.setattr(session, "PLAN_USES", 10**9)
            patch.setattr(session, "PLAN_SECONDS", 10**9)
            post(open_hook, 10, 30)
        monkeypatch.setattr(session, "PLAN_SECONDS", 0)
        plans()

    @pytest.mark.parametrize(("kind", "number"), [("mails", 1000), ("events", 1000), ("personal", 1000)])
    def test_reads_no_table_as_a_whole(self, grown, plans, kind, number):
        assert prune(kind) == number
        assert plans(self.SCANS) == []

    def test_checks_foreign_keys_by_indexes(self, grown, plans):
        prune("mails")

        checks = plans("cmc_webhooks_deliveryevent.* FOR KEY SHARE")
        assert len(checks) == 1000
        assert [text for text in checks if "Seq Scan" in text] == []
