from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cmc_webhooks import models, wire
from cmc_webhooks.conf import app_settings
from cmc_webhooks.ingest import rows
from cmc_webhooks.store import orm, outbox, rejections
from tests.helpers import factories

USING = "default"
MANY = 100_000
START = datetime(1970, 1, 1)  # noqa: DTZ001 - CMC's wall clock


def event_keys():
    """Keys of events from 1970 to 9999, and of many in one second."""
    days = (datetime(9999, 12, 29) - START).days  # noqa: DTZ001 - wall clocks
    for number in range(MANY):
        moment = START + timedelta(days=number * days // MANY) if number % 2 else START
        yield wire.event_key("deliveries", "pro", {"n": str(number)}, {}, moment)


def mail_keys():
    for number in range(MANY):
        event = wire.event_key("deliveries", "pro", {"n": str(number)}, {}, None)
        yield wire.mail_key(f"m{number // 3}@x" if number % 7 else "", "pro", f"u{number}@y", event)


def time_keys():
    for number in range(MANY):
        yield wire.time_key(1_700_000_000_000 + number // 5000, number % 4096)


def rejection_keys():
    for number in range(MANY):
        yield wire.rejection_key("deliveries", "pro", str(number))


@pytest.mark.django_db
class TestKeys:
    """The database takes every key of ours, and orders them by their bytes."""

    @pytest.mark.parametrize("make", [event_keys, mail_keys, time_keys, rejection_keys])
    def test_come_back_in_byte_order(self, make):
        keys = list(make())
        column = connection.ops.quote_name("id")
        kind = models.Notification._meta.pk.db_type(connection)
        table = connection.ops.quote_name("cmc_keys")
        adapt = models.Notification._meta.pk.get_db_prep_value

        with connection.cursor() as cursor:
            cursor.execute(f"CREATE TEMPORARY TABLE {table} ({column} {kind} PRIMARY KEY)")
            for start in range(0, MANY, 500):
                some = [adapt(key, connection) for key in keys[start : start + 500]]
                values = ", ".join(["(%s)"] * len(some))
                cursor.execute(f"INSERT INTO {table} ({column}) VALUES {values}", some)  # noqa: S608 - our own names
            cursor.execute(f"SELECT {column} FROM {table} ORDER BY {column}")  # noqa: S608 - our own names
            read = [str(row[0]).replace("-", "") for row in cursor.fetchall()]
            cursor.execute(f"DROP TABLE {table}")

        assert len(set(keys)) == MANY
        assert read == [key.hex for key in sorted(keys, key=lambda key: key.bytes)]


def record(number, **values):
    item = {"messageId": f"<m{number}@x>", "to": "u@example.jp", "status": "queued", **values}
    return wire.DeliveryRecord.of("deliveries", "pro", number, item)


def mail_of(record):
    times = rows.Times(app_settings.time_zone, datetime(2023, 1, 25, tzinfo=UTC))
    return rows.mail(record, rows.mail_key(record), times)


@pytest.mark.django_db
class TestLockMails:
    def test_inserts_what_is_missing_and_leaves_what_is_there(self):
        known = mail_of(record(1))
        known.subject = "kept"
        known.save(force_insert=True)

        stored = orm.lock_mails(USING, [mail_of(record(2)), mail_of(record(1))])

        assert {mail.message_id: mail.subject for mail in stored.values()} == {"<m1@x>": "kept", "<m2@x>": ""}
        assert models.Mail.objects.count() == 2

    def test_writes_in_key_order_and_locks_what_it_reads(self):
        mails = [mail_of(record(number)) for number in range(20)]
        random.Random(1).shuffle(mails)  # noqa: S311 - a shuffle

        with CaptureQueriesContext(connection) as captured:
            stored = orm.lock_mails(USING, mails)

        insert, select = (query["sql"] for query in captured.captured_queries)
        ids = [insert.replace("-", "").find(key.hex) for key in sorted(stored)]
        assert insert.startswith("INSERT")
        assert ids == sorted(ids)
        assert ids[0] > 0
        assert ("FOR UPDATE" in select) == (connection.vendor != "sqlite")

    def test_does_nothing_without_mails(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            assert orm.lock_mails(USING, []) == {}


@pytest.mark.django_db
class TestUpdateMails:
    def test_writes_what_was_merged_with_one_statement(self, django_assert_num_queries):
        mails = factories.MailFactory.create_batch(5)
        for mail in mails:
            mail.status, mail.version, mail.reason = "failed", 7, "550"

        with django_assert_num_queries(1):
            orm.update_mails(USING, mails)

        assert set(models.Mail.objects.values_list("status", "version", "reason")) == {("failed", 7, "550")}
        assert models.Mail.objects.count() == 5


@pytest.mark.django_db
class TestReject:
    def test_keeps_what_is_known_as_it_is(self):
        known = factories.RejectedEventFactory(resolved_at=factories.START)

        rejections.reject(USING, [factories.RejectedEventFactory.build(raw=known.raw), known])

        assert models.RejectedEvent.objects.get().resolved_at == factories.START

    def test_keeps_no_more_than_the_limit(self, monkeypatch, caplog):
        monkeypatch.setattr(rejections, "MAX_OPEN_REJECTIONS", 3)
        factories.RejectedEventFactory.create_batch(3)
        factories.RejectedEventFactory(resolved_at=factories.START)

        rejections.reject(USING, [factories.RejectedEventFactory.build()])

        assert models.RejectedEvent.objects.count() == 4
        assert "3 rejected events are open" in caplog.text


@pytest.mark.django_db
class TestSettle:
    def test_replaces_a_row_by_what_is_still_owed(self):
        sent, enqueued = factories.PendingSignalFactory(), factories.PendingSignalFactory.build()

        assert outbox.complete(USING, sent, [enqueued])
        assert models.PendingSignal.objects.get().pk == enqueued.pk

    def test_deletes_with_one_statement_when_nothing_is_owed(self, django_assert_num_queries):
        sent = factories.PendingSignalFactory()

        with django_assert_num_queries(1):
            assert outbox.complete(USING, sent, [])
        assert not models.PendingSignal.objects.exists()

    def test_leaves_a_row_that_another_took_over(self):
        sent, enqueued = factories.PendingSignalFactory(), factories.PendingSignalFactory.build()
        models.PendingSignal.objects.update(attempts=2)

        assert not outbox.complete(USING, sent, [enqueued])
        assert not outbox.complete(USING, sent, [])
        assert models.PendingSignal.objects.get().pk == sent.pk
