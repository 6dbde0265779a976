"""A receiver with a bug for a busy day, as an operator meets it. CMC_STORY_EVENTS=30000 is the full size."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command

from cmc_webhooks import dispatch, erasure, ingest, models, signals, wire
from cmc_webhooks.dispatch import retries
from tests.conftest import delivery, notification
from tests.helpers.lights import Clock, lights

EVENTS = int(os.environ.get("CMC_STORY_EVENTS") or 30)
WATCHED = 100
"""Of a greater number, these fail eight times. The others are written as the last failure leaves them."""
PERSON = "hanako@example.jp"
DAY = datetime.now(UTC) - timedelta(days=10)

pytestmark = pytest.mark.django_db(transaction=True)


class Shop:
    """The project's receiver: it has a bug until it is mended, and notes what it was called for."""

    def __init__(self):
        self.has_bug, self.notes = True, Counter()

    def note(self, event, **arguments):
        if self.has_bug:
            raise KeyError("order")
        self.notes[event.pk] += 1


@pytest.fixture
def shop():
    shop = Shop()
    signals.event_recorded.connect(shop.note, sender=models.DeliveryEvent, weak=False)
    yield shop
    signals.event_recorded.disconnect(shop.note, sender=models.DeliveryEvent)


def receive_a_busy_day():
    for start in range(0, EVENTS, 100):
        some = [
            delivery(
                f"<m{number}@x.jp>",
                to=PERSON if number % 10 == 0 else f"user{number}@example.jp",
                created=f"{DAY + timedelta(hours=9):%Y-%m-%d %H:%M:%S}",
            )
            for number in range(start, min(start + 100, EVENTS))
        ]
        ingest.receive(wire.decode(notification("deliveries", *some)), received_at=DAY)


def let_all_attempts_fail(clock):
    failed = models.PendingSignal.objects.order_by("pk")
    if EVENTS > WATCHED:
        others = failed.filter(pk__gt=failed[WATCHED - 1].pk)
        others.update(attempts=retries.MAX_ATTEMPTS, state="dead", available_at=clock.ms)
    for _ in range(2, retries.MAX_ATTEMPTS + 1):
        clock.past_every_pause()
        dispatch.sweep("default")


class TestABusyDayWithABrokenReceiver:
    def test_ends_with_everything_reported_once_and_nothing_left(
        self, shop, monkeypatch, settings, capsys, caplog
    ):
        caplog.set_level("CRITICAL")  # each failure is a traceback
        clock = Clock(monkeypatch)
        receive_a_busy_day()
        let_all_attempts_fail(clock)
        assert lights(settings)[:2] == (1, 503)
        assert models.PendingSignal.objects.filter(state="dead").count() == EVENTS

        # the signals hold what they need, and nothing else stops
        settings.CMC_WEBHOOKS_RETENTION = {"notifications": 5, "mails": 5}
        call_command("cmc_prune", "--pause=0")
        assert capsys.readouterr().out == (
            f"notifications {-(-EVENTS // 100)}, mails 0 deleted or erased\n"
            f"Some old rows stay: mails {EVENTS} held by dead signals. See cmc_status.\n"
        )

        shop.has_bug = False
        call_command("cmc_redeliver", "--dead", "--no-input", "--reason", "the bug is mended")

        assert capsys.readouterr().out == (
            f"{EVENTS} dead signals\n{EVENTS} dead signals are pending again:"
            f" {EVENTS} sent, 0 failed, 0 dead\n"
        )
        assert shop.notes == Counter(models.DeliveryEvent.objects.values_list("pk", flat=True))
        assert len(shop.notes) == EVENTS
        assert not models.PendingSignal.objects.exists()
        assert lights(settings) == (0, 200, 0, 0)

        erased = erasure.erase(PERSON)
        assert (erased.mails, erased.refused) == (-(-EVENTS // 10), 0)
        call_command("cmc_prune", "--pause=0")
        assert capsys.readouterr().out == f"notifications 0, mails {EVENTS} deleted or erased\n"
        assert not models.Mail.objects.exists()
        assert not models.DeliveryEvent.objects.exists()

    def test_ends_without_a_person_after_the_documented_days(
        self, shop, monkeypatch, settings, capsys, caplog
    ):
        caplog.set_level("CRITICAL")
        monkeypatch.setattr(f"{__name__}.EVENTS", min(EVENTS, 10))
        clock = Clock(monkeypatch)
        receive_a_busy_day()
        let_all_attempts_fail(clock)
        models.PendingSignal.objects.update(
            available_at=clock.ms - timedelta(days=31) // timedelta(milliseconds=1)
        )

        settings.CMC_WEBHOOKS_RETENTION = {"personal": 5}
        call_command("cmc_prune", "--pause=0")

        assert capsys.readouterr().out == f"signals {EVENTS}, personal {EVENTS} deleted or erased\n"
        assert not models.Mail.objects.exclude(address="").exists()
        assert lights(settings) == (0, 200, 0, 0)
