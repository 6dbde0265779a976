from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connections

from cmc_webhooks import wire
from cmc_webhooks.db import transactions
from cmc_webhooks.monitoring import health
from tests.helpers import factories

USING = "default"

pytestmark = pytest.mark.django_db


class TestLook:
    def test_finds_nothing_in_an_empty_app(self):
        now = health.look(USING)

        assert now == health.Health(
            pending=0, oldest_pending=None, dead=0, rejected=0, last_notification=None, silence=None
        )
        assert now.problems(900) == []

    def test_counts_signals_not_rows(self):
        factories.PendingSignalFactory(items=[[]] * 25)
        factories.PendingSignalFactory(items=[[]] * 3)
        factories.PendingSignalFactory(items=[[]], state="dead")
        factories.RejectedEventFactory()
        factories.RejectedEventFactory(resolved_at=factories.START)

        now = health.look(USING)

        assert (now.pending, now.dead, now.rejected) == (28, 1, 1)
        assert len(now.problems(900)) == 3

    def test_counts_no_more_rows_than_a_reader_can_wait_for(self, monkeypatch):
        monkeypatch.setattr(health, "MOST_ROWS", 3)
        for _ in range(5):
            factories.PendingSignalFactory(items=[[]] * 2)
        factories.PendingSignalFactory(items=[[]], state="dead")

        now = health.look(USING)

        assert (now.pending, now.dead, now.counted_all) == (8, 1, False)
        assert now.problems()[0].startswith("At least 1 signal is dead")

    def test_counts_as_many_rows_as_it_may(self, monkeypatch):
        monkeypatch.setattr(health, "MOST_ROWS", 3)
        for state in ("pending", "dead") * 3:
            factories.PendingSignalFactory(items=[[]], state=state)

        now = health.look(USING)

        assert (now.pending, now.dead, now.counted_all) == (3, 3, True)

    def test_counts_no_more_rejected_events_than_are_kept(self, monkeypatch):
        monkeypatch.setattr(health, "MOST_REJECTED", 2)
        factories.RejectedEventFactory.create_batch(3)

        now = health.look(USING)

        assert (now.rejected, now.counted_all) == (2, False)

    @pytest.mark.parametrize("rows", [0, 1, 30])
    def test_costs_the_same_however_much_there_is(self, settings, django_assert_num_queries, rows):
        settings.CMC_WEBHOOKS_MAX_SILENCE = None
        factories.PendingSignalFactory.create_batch(rows, items=[[]])
        factories.RejectedEventFactory.create_batch(rows)
        factories.NotificationFactory.create_batch(rows)

        with django_assert_num_queries(5):
            now = health.look(USING)

        assert (now.pending, now.rejected) == (rows, rows)

    def test_knows_since_when_the_oldest_is_owed(self):
        factories.PendingSignalFactory(id=wire.time_key(int((time.time() - 1000) * 1000)))
        factories.PendingSignalFactory(id=wire.time_key(int((time.time() - 5) * 1000)))

        now = health.look(USING)

        assert now.oldest_pending == pytest.approx(1000, abs=30)
        assert [len(now.problems(age)) for age in (900, 1100)] == [1, 0]

    def test_knows_when_cmc_spoke_last(self):
        factories.NotificationFactory(received_at=datetime.now(UTC) - timedelta(hours=3))
        last = factories.NotificationFactory(received_at=datetime.now(UTC) - timedelta(hours=1))

        now = health.look(USING)

        assert now.last_notification == last.received_at
        assert now.silence == pytest.approx(3600, abs=30)
        assert json.loads(json.dumps(now.as_dict()))["last_notification"] == last.received_at.isoformat()

    @pytest.mark.parametrize("source", ["rest", "retry"])
    def test_takes_nothing_that_was_fetched_or_read_again_for_a_word_of_cmc(self, source):
        factories.NotificationFactory(received_at=datetime.now(UTC), source=source)
        before = health.look(USING)
        posted = factories.NotificationFactory(received_at=datetime.now(UTC) - timedelta(hours=1))
        after = health.look(USING)

        assert (before.last_notification, before.silence) == (None, None)
        assert after.last_notification == posted.received_at

    def test_says_so_where_the_database_is_away(self, monkeypatch):
        def away(using):
            raise OperationalError("the server is gone")

        monkeypatch.setattr(health, "_look", away)
        monkeypatch.setattr(transactions.time, "sleep", lambda seconds: None)

        with pytest.raises(transactions.Unavailable, match="OperationalError"):
            health.look(USING)


class TestLookApart:
    @pytest.mark.django_db(transaction=True)
    def test_leaves_no_connection_in_a_thread(self):
        factories.NotificationFactory()
        seen = []

        def work():
            seen.append(health.look_apart(USING).last_notification)
            seen.append(connections[USING].connection)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(timeout=60)

        assert seen[0] is not None
        assert seen[1:] == [None]

    def test_keeps_the_connection_of_a_request(self):
        health.look_apart(USING)

        assert connections[USING].connection is not None


class TestHealth:
    @pytest.mark.parametrize(
        ("silence", "limit", "number"),
        [(None, None, 0), (None, 60, 1), (61.0, 60, 1), (60.0, 60, 0), (61.0, None, 0), (-5.0, 60, 0)],
        ids=str,
    )
    def test_calls_silence_a_problem_where_it_is_asked_to(self, silence, limit, number):
        now = health.Health(
            pending=0, oldest_pending=None, dead=0, rejected=0, last_notification=None, silence=silence
        )

        assert len(now.problems(fail_if_silent=limit)) == number


class TestSeconds:
    @pytest.mark.parametrize(
        ("duration", "number"),
        [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86_400)],
    )
    def test_reads_durations(self, duration, number):
        assert health.seconds(duration) == number
