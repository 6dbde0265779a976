from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from cmc_webhooks import health, wire
from tests import factories

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
