"""Settings that ride along with a statement; those of a transaction are tested with `durable.atomic`."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from cmc_webhooks import models
from cmc_webhooks.db import keyset, session
from tests.helpers.factories import MailFactory

pytestmark = pytest.mark.django_db(transaction=True)

on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="PostgreSQL alone is told anything in front of a statement"
)


def setting():
    with connection.cursor() as cursor:
        cursor.execute("SHOW parallel_setup_cost")
        return cursor.fetchone()[0]


def page():
    """The statements that a page takes, after it was found to be right."""
    mail = MailFactory()
    with CaptureQueriesContext(connection) as captured:
        found = keyset.read(models.Mail.objects.all(), ["created_at", "id"], size=1)
    assert found.rows == [mail]
    return [query["sql"] for query in captured]


class TestFewRows:
    def test_takes_one_statement_on_any_database(self):
        assert len(page()) == 1

    @on_postgresql
    def test_rides_along_and_does_not_outlast_the_statement(self):
        before = setting()

        (sql,) = page()

        assert sql.startswith('SET LOCAL parallel_setup_cost = 10000; SELECT "cmc_webhooks_mail"')
        assert setting() == before

    @on_postgresql
    def test_leaves_a_transaction_alone(self):
        with transaction.atomic():
            statements = page()

        assert [sql.partition(" ")[0] for sql in statements] == ["SELECT"]

    @on_postgresql
    def test_leaves_a_project_alone_that_does_without_autocommit(self):
        transaction.set_autocommit(False)
        try:
            statements = page()
        finally:
            transaction.rollback()
            transaction.set_autocommit(True)

        assert [sql.partition(" ")[0] for sql in statements] == ["SELECT"]

    @on_postgresql
    def test_is_left_out_where_a_driver_takes_one_statement_at_a_time(self, monkeypatch):
        monkeypatch.setattr(connection.features, "uses_server_side_binding", True)

        (sql,) = page()

        assert sql.startswith("SELECT")

    @on_postgresql
    def test_holds_for_a_connection_that_is_opened_for_the_page(self):
        MailFactory()
        connection.close()

        found = keyset.read(models.Mail.objects.all(), ["id"], size=1)

        assert len(found.rows) == 1


def scans_tables():
    with connection.cursor() as cursor:
        cursor.execute("SHOW enable_seqscan")
        return cursor.fetchone() == ("on",)


class TestAvoidTableScans:
    def test_finds_the_rows_and_their_number_on_any_database(self):
        mails = MailFactory.create_batch(3)

        with session.avoid_table_scans(connection):
            found = set(models.Mail.objects.all())
            streamed = set(models.Mail.objects.iterator(chunk_size=2))
            deleted = models.Mail.objects.filter(pk=mails[0].pk)._raw_delete("default")

        assert found == streamed == set(mails)
        assert deleted == 1

    @on_postgresql
    def test_holds_for_a_statement_or_to_the_end_of_its_transaction(self):
        with session.avoid_table_scans(connection):
            inside = scans_tables()
        outside = scans_tables()
        with transaction.atomic():
            with session.avoid_table_scans(connection):
                models.Mail.objects.exists()
            later = scans_tables()

        assert (inside, outside, later, scans_tables()) == (False, True, False, True)
