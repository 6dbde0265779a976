"""Statements that take too long are stopped; none of these tests waits for one."""

from __future__ import annotations

from contextlib import nullcontext, suppress

import pytest
from django.db import DatabaseError, connection, transaction

from cmc_webhooks import models
from cmc_webhooks.db.time_limits import TooSlow, time_limit
from tests.helpers import factories

ENDLESS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n",
    "postgresql": "SELECT pg_sleep(3600)",
    "mysql": "SELECT SLEEP(3600)",
}
LONG = """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)
    SELECT COUNT(*) FROM n a, n b
"""
SHOWN = {"postgresql": "SHOW statement_timeout", "mysql": "SELECT @@max_statement_time", "sqlite": "SELECT 1"}


def run(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


@pytest.fixture(params=["in a transaction", "without one"])
def opened(request):
    return transaction.atomic if request.param == "in a transaction" else nullcontext


@pytest.mark.django_db(transaction=True)
class TestTimeLimit:
    def test_stops_an_endless_statement(self, opened):
        with opened():
            mail = factories.MailFactory()
            with pytest.raises(TooSlow), time_limit("default", 0.01):
                run(ENDLESS[connection.vendor])
            later = factories.MailFactory()

        assert set(models.Mail.objects.all()) == {mail, later}

    @pytest.mark.parametrize("sql", ["SELECT 1", None])
    def test_leaves_the_settings_of_the_session(self, opened, sql):
        before = run(SHOWN[connection.vendor])

        with opened():
            try:
                with time_limit("default", 0.01 if sql is None else 60):
                    run(sql or ENDLESS[connection.vendor])
            except TooSlow:
                assert sql is None
            within = run(SHOWN[connection.vendor])
            again = run("SELECT COUNT(*) FROM cmc_webhooks_mail")

        assert within == before == run(SHOWN[connection.vendor])
        assert list(again) == [(0,)]

    def test_a_statement_after_the_block_has_no_limit(self, opened):
        with opened():
            with time_limit("default", 0.001), suppress(TooSlow):
                run("SELECT 1")
            assert run(LONG)[0] == (810_000,)

    def test_other_errors_are_as_without_it(self, opened):
        with opened(), pytest.raises(DatabaseError, match="no_such_table"), time_limit("default", 60):
            run("SELECT 1 FROM no_such_table")

    def test_without_time_nothing_is_run(self):
        with pytest.raises(TooSlow), time_limit("default", 0):
            raise AssertionError

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="a setting of PostgreSQL")
    def test_a_shorter_limit_of_the_project_holds(self):
        with transaction.atomic():
            run("SELECT set_config('statement_timeout', '20', true)")
            with time_limit("default", 60):
                within = run("SHOW statement_timeout")
            after = run("SHOW statement_timeout")

        assert within == after == [("20ms",)]
