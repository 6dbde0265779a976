"""What is answered while the database is away."""

from __future__ import annotations

import logging

import pytest
from django.db import OperationalError, connection

from cmc_webhooks import ingest, wire
from cmc_webhooks.db import transactions
from tests.conftest import API_KEY, HOOK, bounce, delivery
from tests.webhook.posts import GOOD, own_logs, stored

pytestmark = pytest.mark.django_db


class TestUnavailable:
    """When nothing could be stored the answer is 503 with `Retry-After`, and the same body is taken later."""

    @pytest.mark.django_db(transaction=True)
    def test_tells_that_the_database_is_away(self, hook, sent, monkeypatch, caplog):
        def no_cursor(*args, **kwargs):
            raise OperationalError('connection to "db.internal" with password "hunter2" failed')

        with monkeypatch.context() as patch:
            patch.setattr(connection, "cursor", no_cursor)
            away = hook.post(GOOD)
        nothing = (stored(), list(sent))
        back = hook.post(GOOD)

        assert away.status_code == 503
        assert away.headers["Retry-After"].isdigit()
        assert b"hunter2" not in away.content
        assert "hunter2" not in caplog.text
        assert nothing == ({}, [])
        assert back.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert len(sent.of("event_recorded")) == 1

    @pytest.mark.django_db(transaction=True)
    def test_tells_that_a_lock_was_held_too_long(self, hook, monkeypatch):
        monkeypatch.setattr(transactions, "TRIES", 1)
        monkeypatch.setattr(transactions, "LOCK_SECONDS", 1)
        hook.post(GOOD)
        other = connection.copy()
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA busy_timeout = 20")
        try:
            other.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
            if connection.vendor != "sqlite":
                with other.cursor() as cursor:
                    cursor.execute("SELECT id FROM cmc_webhooks_mail FOR UPDATE")
            locked = hook.send("bounces", bounce())
        finally:
            other.rollback()
            other.close()
        free = hook.send("bounces", bounce())

        assert locked.status_code == 503
        assert "Retry-After" in locked.headers
        assert free.json() == {"new": 1, "repeated": 0, "rejected": 0}

    def test_needs_no_database_to_refuse(self, hook, django_assert_num_queries):
        with django_assert_num_queries(0):
            answers = [
                hook.post(b"{"),
                hook.send("deliveries", delivery(), api_key="wrong"),
                hook.client.get(HOOK),
            ]

        assert [answer.status_code for answer in answers] == [400, 403, 405]

    @pytest.mark.parametrize(
        "error", [RuntimeError, TypeError, KeyError, MemoryError, RecursionError, AssertionError]
    )
    def test_answers_a_bug_and_logs_it(self, hook, monkeypatch, caplog, error):
        def bug(*args, **kwargs):
            raise error("a bug")

        monkeypatch.setattr(ingest, "receive", bug)
        answer = hook.post(GOOD)

        (record,) = own_logs(caplog)
        assert answer.status_code == 503
        assert "Retry-After" in answer.headers
        assert b"a bug" not in answer.content
        assert (record.levelno, record.exc_info[0]) == (logging.ERROR, error)
        assert API_KEY not in caplog.text

    def test_answers_a_bug_in_debug_too(self, hook, monkeypatch, settings):
        settings.DEBUG = True
        monkeypatch.setattr(wire, "decode", lambda *args: 1 / 0)

        answer = hook.post(GOOD)

        assert answer.status_code == 503
        assert b"Traceback" not in answer.content

    @pytest.mark.parametrize(
        ("name", "value"),
        [("TIME_ZONE", "Nowhere/Land"), ("ALLOWED_NETWORKS", ["nonsense"]), ("MAX_EVENTS", "many")],
    )
    def test_answers_a_wrong_setting_and_stores_nothing(self, hook, settings, name, value):
        setattr(settings, f"CMC_WEBHOOKS_{name}", value)

        answer = hook.post(GOOD)

        assert answer.status_code == (403 if name == "ALLOWED_NETWORKS" else 503)
        assert stored() == {}
