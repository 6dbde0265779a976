from __future__ import annotations

import json
from contextlib import contextmanager

import pytest
from django.db import DatabaseError, DataError, InterfaceError, OperationalError, connection

from cmc_webhooks import models
from cmc_webhooks.db import transactions
from tests import cases
from tests.conftest import CASES, bounce, delivery

pytestmark = pytest.mark.django_db

ODD = {
    "null": None,
    "text": "user@example.jp",
    "number": 17,
    "true": True,
    "list": [],
    "list of events": [delivery()],
    "recipient list": delivery(to=["list@example.jp"]),
    "created object": delivery(created={"x": 1}),
}


class TestC29:
    def test_one_odd_event_harms_no_neighbour(self, open_hook, sent, caplog):
        answers = cases.play(open_hook, "C29")

        logged = [record.getMessage() for record in caplog.records if record.name.startswith("cmc_webhooks")]
        assert answers[0].json() == {"new": 2, "repeated": 0, "rejected": 1}
        assert [row["messageId"] for row in cases.rows("delivery")] == [
            "<c29a@example.com>",
            "<c29c@example.com>",
        ]
        assert len(sent.of("event_recorded")) == 2
        assert len(logged) == 1
        assert "event.deliveries[1]" in logged[0]
        assert "list@example.jp" not in logged[0]

    def test_the_same_batch_again_adds_nothing(self, open_hook, sent):
        cases.play(open_hook, "C29")

        (answer,) = cases.play(open_hook, "C29")

        assert answer.json() == {"new": 0, "repeated": 2, "rejected": 1}
        assert cases.stored() == {"Mail": 2, "DeliveryEvent": 2, "RejectedEvent": 1, "Notification": 2}
        assert len(sent.of("event_recorded")) == 2

    @pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
    @pytest.mark.parametrize("position", [0, 1, 2])
    def test_holds_for_each_oddity_at_each_place(self, open_hook, sent, odd, position):
        events = [delivery("<a@x>"), delivery("<b@x>")]
        events.insert(position, odd)

        answer = cases.send(open_hook, "deliveries", *events)

        rejected = models.RejectedEvent.objects.get()
        assert answer.json() == {"new": 2, "repeated": 0, "rejected": 1}
        assert rejected.position == position
        assert rejected.error.startswith(f"event.deliveries[{position}]: ")
        assert len(sent.of("event_recorded")) == 2

    def test_a_name_given_twice_harms_no_neighbour(self, open_hook):
        twice = cases.notification(delivery("<a@x>"), delivery("<b@x>")).replace(
            b'"messageId": "<b@x>"', b'"to": "other@example.jp", "messageId": "<b@x>"'
        )

        answer = cases.post(open_hook, twice)

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 1}
        assert cases.row("delivery")["messageId"] == "<a@x>"

    def test_a_batch_of_odd_events_only_is_taken(self, open_hook):
        answer = cases.send(open_hook, "bounces", *ODD.values())

        assert answer.json() == {"new": 0, "repeated": 0, "rejected": len(ODD)}
        assert cases.stored() == {"RejectedEvent": len(ODD), "Notification": 1}

    def test_the_rejected_is_logged_on_one_line(self, open_hook, caplog):
        cases.send(open_hook, "deliveries", {"a\r\nb\u2028c": 1, "to": ["x\r\ny"]}, "x\r\ny")

        logged = [record.getMessage() for record in caplog.records if record.name.startswith("cmc_webhooks")]
        assert len(logged) == 2
        assert [len(line.splitlines()) for line in logged] == [1, 1]

    @pytest.mark.django_db(transaction=True)
    def test_what_the_database_refuses_is_rejected_alone(self, open_hook, sent):
        def refuse(execute, sql, params, many, context):
            if (
                "INSERT INTO" in sql
                and models.DeliveryEvent._meta.db_table in sql
                and "REFUSE" in str(params)
            ):
                raise DataError("invalid input")
            return execute(sql, params, many, context)

        with connection.execute_wrapper(refuse):
            answer = cases.send(
                open_hook,
                "deliveries",
                delivery("<a@x>"),
                delivery("<b@x>", reason="REFUSE"),
                delivery("<c@x>"),
            )

        rejected = models.RejectedEvent.objects.get()
        assert answer.json() == {"new": 2, "repeated": 0, "rejected": 1}
        assert [row["messageId"] for row in cases.rows("delivery")] == ["<a@x>", "<c@x>"]
        assert (rejected.position, json.loads(rejected.raw)["reason"]) == (1, "REFUSE")
        assert models.Mail.objects.count() == 2
        assert len(sent.of("event_recorded")) == 2


class Away:
    """Makes the database fail, at all or from its statement with a number on."""

    def __init__(self, error, number=1, *, once=False):
        self.error, self.number, self.once, self.seen = error, number, once, 0

    def __call__(self, execute, sql, params, many, context):
        self.seen += 1
        if self.seen == self.number or (self.seen > self.number and not self.once):
            raise self.error
        return execute(sql, params, many, context)


@contextmanager
def locked(mail):
    """Another connection holds the mail, or the whole file on SQLite."""
    other = connection.copy()
    try:
        other.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
        with other.cursor() as cursor:
            if other.vendor != "sqlite":
                table = models.Mail._meta.db_table
                query = f"SELECT id FROM {table} WHERE id = %s FOR UPDATE"  # noqa: S608 - our own table
                cursor.execute(query, [str(mail.pk)])
        yield
    finally:
        other.rollback()
        other.close()


@pytest.mark.django_db(transaction=True)
class TestC30:
    def test_a_database_that_is_away_is_told_and_stored_later(self, open_hook, sent, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(connection, "cursor", self.no_cursor)
            first = open_hook.post((CASES / "C30.json").read_bytes())
        stored_first, sent_first = cases.stored(), list(sent)
        second = open_hook.post((CASES / "C30.json").read_bytes())

        assert first.status_code == 503
        assert int(first.headers["Retry-After"]) > 0
        assert (stored_first, sent_first) == ({}, [])
        assert second.json() == {"new": 2, "repeated": 0, "rejected": 0}
        assert len(sent.of("event_recorded")) == 2

    def no_cursor(self, *args, **kwargs):
        raise OperationalError("the server closed the connection unexpectedly")

    # fewest: the portable way has six statements; lock, outbox and write are the three of PostgreSQL's
    @pytest.mark.parametrize(("raw_sql", "fewest"), [(False, 5), (True, 3)], ids=["portable", "fast"])
    @pytest.mark.parametrize("error", [OperationalError, InterfaceError, DatabaseError])
    def test_holds_at_whichever_statement_it_fails(self, open_hook, settings, sent, error, raw_sql, fewest):
        settings.CMC_WEBHOOKS_RAW_SQL = raw_sql
        body = (CASES / "C30.json").read_bytes()
        for number in range(1, 30):
            with connection.execute_wrapper(Away(error("gone"), number)):
                answer = open_hook.post(body)
            if answer.status_code == 200:
                break
            assert answer.status_code == 503
            assert (cases.stored(), list(sent)) == ({}, [])

        again = open_hook.post(body)

        assert number > fewest
        assert answer.json() == {"new": 2, "repeated": 0, "rejected": 0}
        assert again.json() == {"new": 0, "repeated": 2, "rejected": 0}
        assert models.DeliveryEvent.objects.count() == 2
        assert len(sent.of("event_recorded")) == 2

    @pytest.mark.parametrize("error", [OperationalError, InterfaceError, DatabaseError])
    def test_of_one_statement_is_passed_over_with_a_new_connection(self, open_hook, sent, error):
        for number in range(1, 15):
            with connection.execute_wrapper(Away(error("gone"), number, once=True)):
                answer = open_hook.send("deliveries", delivery(f"<{number}@x>"), api_key=None)

            assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}

        assert models.DeliveryEvent.objects.count() == 14
        assert len(sent.of("event_recorded")) == 14

    @pytest.mark.parametrize("event_type", ["deliveries", "bounces", "blocks", "opens"])
    def test_holds_for_every_type_and_for_what_is_rejected(self, open_hook, sent, event_type):
        events = [{"created": "2023-01-25 14:10:00", "to": "a@example.jp"}, "odd"]

        with connection.execute_wrapper(Away(OperationalError("gone"))):
            first = cases.send(open_hook, event_type, *events)
        stored_first = cases.stored()
        second = cases.send(open_hook, event_type, *events)

        assert first.status_code == 503
        assert stored_first == {}
        assert second.status_code == 200
        assert models.RejectedEvent.objects.count() == (2 if event_type == "opens" else 1)

    def test_missing_tables_are_told_as_a_database_that_is_away(self, open_hook):
        def no_table(execute, sql, params, many, context):
            return execute(sql.replace("cmc_webhooks_", "no_such_"), params, many, context)

        with connection.execute_wrapper(no_table):
            answer = open_hook.post((CASES / "C30.json").read_bytes())

        assert answer.status_code == 503
        assert "Retry-After" in answer.headers

    def test_a_lock_held_too_long_is_told_and_the_event_stored_later(self, open_hook, sent, monkeypatch):
        monkeypatch.setattr(transactions, "LOCK_SECONDS", 1)
        monkeypatch.setattr(transactions, "TRIES", 2)
        open_hook.post(cases.notification(delivery()))
        before = len(sent)
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA busy_timeout = 20")

        with locked(models.Mail.objects.get()):
            first = cases.send(open_hook, "bounces", bounce())
        stored_first, sent_first = cases.stored(), len(sent)
        second = cases.send(open_hook, "bounces", bounce())

        assert first.status_code == 503
        assert "Retry-After" in first.headers
        assert stored_first == {"Mail": 1, "DeliveryEvent": 1, "Notification": 1}
        assert sent_first == before
        assert second.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert models.Mail.objects.get().status == "bounced"
