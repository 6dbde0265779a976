from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cmc_webhooks import ingest, models, retention, wire
from cmc_webhooks.db import compact_keys, transactions
from cmc_webhooks.statistics import recount
from tests.conftest import bounce, delivery, notification
from tests.helpers import factories

USING = "default"
NOW = datetime(2023, 6, 1, tzinfo=UTC)
OLD, YOUNG = NOW - timedelta(days=100), NOW - timedelta(days=10)
BEFORE = NOW - timedelta(days=90)
ODD_TIMES = ["", "1970-01-01 00:00:00", "2099-01-01 00:00:00", "9999-12-29 23:59:59"]
TABLES = (models.Mail, models.DeliveryEvent, models.BounceEvent, models.BlockEvent, models.MailCount)

pytestmark = pytest.mark.django_db


def receive(event_type, *events, at=OLD):
    return ingest.receive(wire.decode(notification(event_type, *events)), received_at=at)


def wall_clock(moment):
    """As CMC writes it, in Tokyo."""
    return f"{moment + timedelta(hours=9):%Y-%m-%d %H:%M:%S}"


def prune(kind, before=BEFORE, **options):
    return retention.prune(USING, kind, before, pace=retention.Pace(500, 0), **options)


def enqueue(event, mail=None, state="pending", at=None):
    """A signal in the outbox; a dead one died just now or `at` a time."""
    items = [["event_recorded", "deliveries", event.pk.hex, mail.pk.hex if mail else None]]
    died_ms = int((at or datetime.now(UTC)).timestamp() * 1000)
    return factories.PendingSignalFactory(items=items, state=state, available_at=died_ms)


def rows():
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in TABLES}


class TestPruneNotifications:
    def test_goes_by_their_receipt(self):
        factories.NotificationFactory(received_at=BEFORE - timedelta(milliseconds=1))
        young = factories.NotificationFactory(received_at=BEFORE)

        assert prune("notifications") == 1
        assert list(models.Notification.objects.all()) == [young]

    def test_leaves_events_that_they_brought(self):
        receive("deliveries", delivery(created=wall_clock(OLD)))

        assert prune("notifications") == 1
        assert models.DeliveryEvent.objects.count() == 1


class TestPruneRejected:
    def test_goes_by_their_receipt_open_or_not(self):
        factories.RejectedEventFactory(received_at=OLD)
        factories.RejectedEventFactory(received_at=OLD, resolved_at=YOUNG)
        young = factories.RejectedEventFactory(received_at=YOUNG)

        assert prune("rejected") == 2
        assert list(models.RejectedEvent.objects.all()) == [young]


class TestPruneEvents:
    def test_goes_by_the_clock_of_cmc_in_the_zone_of_the_webhook(self):
        receive("deliveries", delivery("<a@x>", created=wall_clock(BEFORE - timedelta(seconds=1))), at=YOUNG)
        receive("bounces", bounce("<a@x>", created=wall_clock(BEFORE)), at=OLD)
        factories.BlockEventFactory(occurred_at=OLD)

        assert prune("events") == 2
        assert [model.objects.count() for model in TABLES[1:4]] == [0, 1, 0]

    @pytest.mark.parametrize("created", ODD_TIMES)
    def test_goes_by_receipt_where_cmc_told_no_time_that_can_be(self, created):
        receive("deliveries", delivery("<a@x>", created=created), at=OLD)
        receive("deliveries", delivery("<b@x>", created=created), at=YOUNG)

        assert prune("events") == 1
        assert models.DeliveryEvent.objects.get().message_id == "<b@x>"

    def test_leaves_the_mails_as_they_stand(self):
        receive("deliveries", delivery(created=wall_clock(OLD), status="succeeded"))
        before = models.Mail.objects.values().get()

        prune("events")

        assert models.Mail.objects.values().get() == before

    def test_is_not_undone_by_a_repeat(self, settings):
        settings.CMC_WEBHOOKS_RETENTION = {"events": 90}
        event = delivery(created=wall_clock(OLD))
        receive("deliveries", event)
        prune("events")

        assert receive("deliveries", event, at=NOW) == ingest.Receipt(new=0, repeated=1, rejected=0)
        assert not models.DeliveryEvent.objects.exists()

    @pytest.mark.parametrize("state", ["pending", "dead"])
    def test_leaves_what_a_signal_needs(self, state):
        needed, free = factories.DeliveryEventFactory.create_batch(2, occurred_at=OLD)
        enqueue(needed, needed.mail, state)

        assert prune("events") == 1
        assert list(models.DeliveryEvent.objects.all()) == [needed]
        assert free != needed

    def test_sees_signals_that_are_owed_while_it_runs(self):
        events = sorted(factories.DeliveryEventFactory.create_batch(3, occurred_at=OLD), key=lambda e: e.pk)
        enqueued = iter(events[1:])

        done = retention.prune(
            USING,
            "events",
            BEFORE,
            pace=retention.Pace(1, 0),
            progress=lambda n: enqueue(next(enqueued, events[2])),
        )

        assert done == 1
        assert models.DeliveryEvent.objects.count() == 2

    def test_sees_them_though_the_clock_of_a_host_is_ahead(self):
        events = sorted(factories.DeliveryEventFactory.create_batch(3, occurred_at=OLD), key=lambda e: e.pk)
        now_ms = int(datetime.now(UTC).timestamp() * 1000)
        items = [["event_recorded", "deliveries", event.pk.hex, None] for event in events]
        factories.PendingSignalFactory(id=wire.time_key(now_ms + 3_600_000), items=items[:1])

        def owe_last(done):
            factories.PendingSignalFactory(id=wire.time_key(now_ms), items=items[2:])

        retention.prune(USING, "events", BEFORE, pace=retention.Pace(1, 0), progress=owe_last)

        assert set(models.DeliveryEvent.objects.all()) == {events[0], events[2]}

    @pytest.mark.parametrize("kind", ["notifications", "rejected"])
    def test_asks_no_signal_about_what_none_tells_of(self, monkeypatch, kind):
        monkeypatch.setattr(retention._Needed, "without", None)
        enqueue(factories.DeliveryEventFactory(occurred_at=OLD, notification__received_at=OLD))
        factories.RejectedEventFactory(received_at=OLD)

        assert prune(kind) == 1


class TestPruneSignals:
    def test_removes_those_that_died_before_then_and_says_so(self, caplog):
        events = factories.DeliveryEventFactory.create_batch(3)
        enqueue(events[0], state="dead", at=BEFORE - timedelta(milliseconds=1))
        kept = [
            enqueue(events[1], state="dead", at=BEFORE),
            enqueue(events[2], state="pending", at=OLD),
        ]

        assert prune("signals", dry_run=True) == 1
        assert not caplog.records
        assert prune("signals") == 1
        assert list(models.PendingSignal.objects.order_by("pk")) == kept
        [record] = caplog.records
        assert (record.cmc_event, record.rows, record.levelname) == ("signals_expired", 1, "WARNING")

    def test_goes_by_the_key_where_the_hosts_clock_was_ahead(self):
        old, young = factories.DeliveryEventFactory.create_batch(2)
        ahead = datetime.now(UTC) + timedelta(days=3650)
        enqueue(old, state="dead", at=ahead)
        kept = enqueue(young, state="dead", at=ahead)
        models.PendingSignal.objects.filter(pk=kept.pk).update(
            id=wire.time_key(int(BEFORE.timestamp() * 1000) + 1)
        )

        assert prune("signals", before=BEFORE) == 1
        assert models.PendingSignal.objects.count() == 1


class TestDeadSignals:
    """They hold what they need for `RETENTION["signals"]` days, and not longer."""

    @pytest.mark.parametrize(("days", "setting"), [(30, {}), (7, {"signals": 7}), (90, {"signals": 90})])
    def test_hold_nothing_after_these_days(self, settings, days, setting):
        settings.CMC_WEBHOOKS_RETENTION = setting
        now = datetime.now(UTC)
        young, old = factories.DeliveryEventFactory.create_batch(2, occurred_at=OLD)
        enqueue(young, state="dead", at=now - timedelta(days=days, hours=-1))
        enqueue(old, state="dead", at=now - timedelta(days=days, hours=1))
        held = Counter()

        assert prune("events", on_held=lambda holder, number: held.update({holder: number})) == 1
        assert list(models.DeliveryEvent.objects.all()) == [young]
        assert held == {"dead signals": 1}

    def test_are_told_from_pending_ones_which_hold_for_as_long_as_they_are(self):
        events = factories.DeliveryEventFactory.create_batch(3, occurred_at=OLD)
        for event, state in zip(events, ("pending", "pending", "dead"), strict=True):
            enqueue(event, event.mail, state)
        models.PendingSignal.objects.filter(state="pending").update(available_at=0)
        held = Counter()

        assert prune("events", on_held=lambda holder, number: held.update({holder: number})) == 0
        assert held == {"pending signals": 2, "dead signals": 1}

    @pytest.mark.parametrize("kind", ["events", "mails", "personal"])
    def test_never_stop_the_pruning_however_many_they_are(self, kind, monkeypatch):
        monkeypatch.setattr(compact_keys, "_SORTED_AT", 10)
        events = factories.DeliveryEventFactory.create_batch(60, occurred_at=OLD, mail__created_at=OLD)
        for event in events[:50]:
            enqueue(event, event.mail, "dead")

        assert prune(kind) == 10


class TestPruneMails:
    def test_takes_their_events_along_and_moves_the_counts(self):
        receive("deliveries", delivery("<a@x>", created=wall_clock(OLD)))
        receive("deliveries", delivery("<a@x>", created=wall_clock(OLD), status="succeeded"))
        receive("deliveries", delivery("<b@x>", created=wall_clock(YOUNG)), at=YOUNG)

        assert prune("mails") == 1
        assert [mail.message_id for mail in models.Mail.objects.all()] == ["<b@x>"]
        assert models.DeliveryEvent.objects.count() == 1
        assert recount.recount(USING, recount.days(USING), check=True).wrong == 0

    @pytest.mark.parametrize("created", ODD_TIMES)
    def test_goes_by_receipt_where_cmc_told_no_time_that_can_be(self, created):
        receive("deliveries", delivery(created=created))

        assert prune("mails") == 1

    @pytest.mark.parametrize("created", [wall_clock(YOUNG), *ODD_TIMES])
    def test_leaves_those_with_a_younger_event_whole(self, created):
        receive("deliveries", delivery(created=wall_clock(OLD)))
        receive("bounces", bounce(created=created), at=YOUNG)

        assert (prune("mails", dry_run=True), prune("mails")) == (0, 0)
        assert [model.objects.count() for model in TABLES[:3]] == [1, 1, 1]

    def test_sees_an_event_that_came_after_it_looked(self, monkeypatch):
        receive("deliveries", delivery(created=wall_clock(OLD)))
        run = transactions.run

        def late(using, work):
            monkeypatch.setattr(transactions, "run", run)
            receive("bounces", bounce(created=wall_clock(YOUNG)), at=YOUNG)
            return run(using, work)

        monkeypatch.setattr(transactions, "run", late)

        assert prune("mails") == 0
        assert models.Mail.objects.get().status == "bounced"

    def test_leaves_what_a_signal_needs(self):
        event = factories.DeliveryEventFactory(occurred_at=OLD, mail__created_at=OLD)
        enqueue(event, event.mail)

        assert prune("mails") == 0

    def test_deletes_no_more_rows_at_once_than_a_batch_holds(self):
        mail = factories.MailFactory(created_at=OLD)
        factories.DeliveryEventFactory.create_batch(7, mail=mail, occurred_at=OLD)

        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert retention.prune(USING, "mails", BEFORE, pace=retention.Pace(3, 0)) == 1

        deletes = [q["sql"] for q in queries if "DELETE" in q["sql"] and "deliveryevent" in q["sql"]]
        assert len(deletes) >= 7
        assert not models.DeliveryEvent.objects.exists()

    def test_lets_mails_of_one_moment_go_in_any_batch(self):
        factories.MailFactory.create_batch(7, created_at=OLD)

        assert retention.prune(USING, "mails", BEFORE, pace=retention.Pace(3, 0)) == 7


class TestPrune:
    @pytest.mark.parametrize("kind", retention.KINDS)
    def test_writes_nothing_when_dry(self, kind):
        factories.DeliveryEventFactory(occurred_at=OLD, mail__created_at=OLD)
        factories.BlockEventFactory(occurred_at=OLD)
        factories.RejectedEventFactory(received_at=OLD)
        factories.PendingSignalFactory(state="dead", available_at=0)
        factories.AlertFactory(raised_at=OLD, resolved_at=OLD)
        factories.ChangeFactory(at=OLD)
        before = rows()

        would = prune(kind, dry_run=True)

        assert would >= 1
        assert rows() == before
        assert prune(kind) == would

    def test_keeps_what_it_did_when_it_is_interrupted(self):
        factories.DeliveryEventFactory.create_batch(5, occurred_at=OLD)
        young = factories.DeliveryEventFactory(occurred_at=YOUNG)
        batches = iter([None, KeyboardInterrupt])

        def progress(done):
            if fault := next(batches):
                raise fault

        with pytest.raises(KeyboardInterrupt):
            retention.prune(USING, "events", BEFORE, pace=retention.Pace(2, 0), progress=progress)
        left = models.DeliveryEvent.objects.count()

        assert left == 2
        assert prune("events") == 1
        assert list(models.DeliveryEvent.objects.all()) == [young]
