from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection

from cmc_webhooks import dispatch, erasure, models, retention, signals
from cmc_webhooks.db import transactions
from cmc_webhooks.dispatch import calls
from cmc_webhooks.reprocessing import rebuild, redeliver, rejections
from tests.conftest import delivery

pytestmark = pytest.mark.django_db(transaction=True)


def sweep():
    dispatch.sweep("default")


def erase():
    erasure.erase("user@example.jp")


def prune():
    retention.prune("default", "events", datetime.now(UTC) + timedelta(days=1))


def rebuild_all():
    rebuild.rebuild("default", models.Mail.objects.using("default"))


def redeliver_all():
    redeliver.redeliver("default", [models.DeliveryEvent.objects.using("default").select_related("mail")])


def retry_all():
    rejections.retry("default", models.RejectedEvent.objects.using("default"))


@contextmanager
def failing(number, *, once):
    """Let the statement with this number fail, and all after it unless `once`.

    Gives the number of statements, and behind it those that failed.
    """
    seen = [0]

    def fail(execute, sql, params, many, context):
        seen[0] += 1
        if seen[0] == number or (seen[0] > number and not once):
            seen.append(sql)
            raise OperationalError("gone")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail):
        yield seen


@pytest.fixture
def history(hook, receiver):
    """A mail with its event, a pending signal, and a rejected event."""
    receiver(signals.event_recorded, lambda **kwargs: None)
    hook.send("deliveries", delivery(), {"to": ["x"]})
    event = models.DeliveryEvent.objects.select_related("mail").get()
    item = calls.SignalCall("event_recorded", event, event.mail).item()
    models.PendingSignal.objects.create(id=event.pk, items=[item], available_at=0, attempts=0)


WORK = [sweep, erase, prune, rebuild_all, redeliver_all, retry_all]


class TestUnavailable:
    """Work in many transactions while the database fails: `Unavailable`, never an error of a driver."""

    @pytest.mark.parametrize("work", WORK)
    @pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6])
    def test_is_raised_at_whichever_statement_it_fails(self, history, monkeypatch, work, number):
        monkeypatch.setattr(transactions.time, "sleep", lambda seconds: None)
        with failing(number, once=False) as seen:
            try:
                work()
            except transactions.Unavailable:
                return
        number_run, *failed = seen
        # The work is done if only its record in the trail could not be completed, which is logged
        assert number_run < number or all("UPDATE" in sql and "_trail" in sql for sql in failed)

    @pytest.mark.parametrize("work", WORK)
    @pytest.mark.parametrize("number", [1, 2, 3])
    def test_one_failure_is_retried(self, history, monkeypatch, work, number):
        monkeypatch.setattr(transactions.time, "sleep", lambda seconds: None)
        with failing(number, once=True) as seen:
            work()

        assert seen[0] >= 1
