"""However a batch is stored, what is stored is the same: the fast ways beside the portable one."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from itertools import groupby

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cmc_webhooks import ingest, models, signals, wire
from cmc_webhooks.ingest import pipeline
from cmc_webhooks.store import address_facts, bulk, postgresql, sql, writers
from cmc_webhooks.store.base import LockedRows
from tests.conftest import bounce, delivery, in_every_writer, notification

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2023, 1, 25, 6, tzinfo=UTC)
TABLES = (models.Mail, models.DeliveryEvent, models.BounceEvent, models.BlockEvent, models.RejectedEvent)

mails = st.sampled_from(["<1@x>", "2@x", "<3@x>", "", "<1@x> "])
texts = st.sampled_from(["", "a", "b\u3000あ", "😀 ' \\ % \" {", "x" * 300, "two\nlines", "\0"])
deliveries = st.builds(
    delivery,
    mails,
    to=st.sampled_from(["u@example.jp", "U@example.jp", "v@example.jp", ""]),
    created=st.sampled_from(["2023-01-25 14:00:00", "2023-01-25 14:00:01", "2023-02-01 00:00:00", "", "odd"]),
    status=st.sampled_from(["queued", "deferred", "succeeded", "failed", "strange", "y" * 40]),
    subject=texts,
    reason=texts,
    apiData=texts,
    returnPath=texts,
)
bounces = st.builds(
    bounce,
    mails,
    created=st.sampled_from(["2023-01-25 14:00:00", "2023-01-26 14:00:01", ""]),
    status=st.sampled_from(["1", "5", "99", "strange"]),
    subject=texts,
    more=texts,
)
blocks = st.builds(lambda address, code: {"email": address, "status": code}, texts, st.sampled_from(["1", 2]))
batches = st.one_of(
    st.tuples(st.just("deliveries"), st.lists(st.one_of(deliveries, st.just("odd")), max_size=6)),
    st.tuples(st.just("bounces"), st.lists(bounces, max_size=4)),
    st.tuples(st.just("blocks"), st.lists(blocks, max_size=3)),
    st.just(("erase", [])),
)


def receive(event_type, *events, at=NOW):
    return ingest.receive(wire.decode(notification(event_type, *events)), received_at=at)


def stored():
    """All rows of all tables but for what is made by chance: the keys of notifications and shards."""
    tables = {model.__name__: list(model.objects.order_by("pk").values()) for model in TABLES}
    for rows in tables.values():
        for row in rows:
            row.pop("notification_id", None)
    tables["Notification"] = [
        {name: value for name, value in row.items() if name != "id"}
        for row in models.Notification.objects.order_by("received_at").values()
    ]
    counted = sorted(
        (str(part.day), part.server_composition, part.status, part.bounce_class, part.number)
        for part in models.MailCount.objects.all()
    )
    tables["MailCount"] = [
        (cell, total)
        for cell, parts in groupby(counted, key=lambda part: part[:4])
        if (total := sum(part[4] for part in parts))
    ]
    tables["enqueued"] = sorted(str(item) for row in models.PendingSignal.objects.all() for item in row.items)
    return tables


def lived(history):
    """What is stored and told after a history, and the receipts; nothing is left of it."""
    told = []

    def tell(sender, event, mail=None, **more):
        told.append((sender.__name__, event.pk, mail and (mail.pk, mail.status), sorted(more.get("old", ""))))

    for signal in (signals.event_recorded, signals.status_changed):
        signal.connect(tell)
    try:
        receipts = []
        for number, (event_type, events) in enumerate(history):
            at = NOW + timedelta(minutes=number)
            if event_type == "erase":
                models.Mail.objects.update(erased_at=at, subject="", reason="")
            else:
                receipts.append(receive(event_type, *events, at=at))
        return stored(), told, receipts
    finally:
        for signal in (signals.event_recorded, signals.status_changed):
            signal.disconnect(tell)
        for model in (*TABLES[1:], models.Mail, models.Notification, models.MailCount, models.PendingSignal):
            model.objects.all().delete()


class TestWays:
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(batches, max_size=6), st.sampled_from([1, pipeline.MANY]))
    def test_store_and_tell_the_same(self, history, many):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pipeline, "MANY", many)  # from how many events on the first is asked for
            patch.setattr("django.conf.settings.CMC_WEBHOOKS_RAW_SQL", True)
            fast = lived(history)
            patch.setattr("django.conf.settings.CMC_WEBHOOKS_RAW_SQL", False)
            portable = lived(history)

        assert fast == portable

    def test_are_chosen_by_database_and_setting(self, settings):
        settings.CMC_WEBHOOKS_RAW_SQL = True
        fast = {"postgresql": postgresql.WRITER, "sqlite": sql.SQLITE, "mysql": sql.MARIADB}

        assert writers.writer_for("default") is fast[connection.vendor]

        settings.CMC_WEBHOOKS_RAW_SQL = False

        assert writers.writer_for("default") is writers.PORTABLE

    def test_are_the_orms_on_mysql_which_is_not_mariadb(self, settings, monkeypatch):
        settings.CMC_WEBHOOKS_RAW_SQL = True
        monkeypatch.setattr(connection, "mysql_is_mariadb", False, raising=False)

        assert writers.writer_for("default") is writers.PORTABLE
        assert address_facts.sql_statement(connection) is None

    @pytest.mark.parametrize(
        ("mode", "way"),
        [
            (None, writers.PORTABLE),
            ("DEFERRED", writers.PORTABLE),
            ("IMMEDIATE", sql.SQLITE),
            ("exclusive", sql.SQLITE),
        ],
    )
    def test_on_sqlite_are_fast_for_transactions_that_begin_as_writers(
        self, settings, monkeypatch, mode, way
    ):
        settings.CMC_WEBHOOKS_RAW_SQL = True
        monkeypatch.setattr(connection, "vendor", "sqlite")
        monkeypatch.setitem(connection.settings_dict, "OPTIONS", {"transaction_mode": mode} if mode else {})

        assert writers.writer_for("default") is way


class TestThreads:
    def test_each_use_their_own_connection(self, settings):
        settings.CMC_WEBHOOKS_RAW_SQL = True
        receive("deliveries", delivery())
        receipts = []

        def other():
            try:
                receipts.append(receive("deliveries", delivery(status="succeeded"), delivery("<m2@x>")))
            finally:
                connection.close()

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()

        assert receipts == [ingest.Receipt(new=2, repeated=0, rejected=0)]


class TestRivals:
    """A rival commits between the look and the write."""

    @pytest.fixture(autouse=True)
    def fast(self, settings):
        settings.CMC_WEBHOOKS_RAW_SQL = True

    def test_with_the_same_event_are_seen(self, monkeypatch, sent):
        receive("deliveries", delivery())
        in_every_writer(monkeypatch, "known", lambda real: lambda *args: set())

        # the portable way looks again, by a name of its own
        monkeypatch.setattr(writers.PORTABLE, "known", bulk.known_keys)
        receipt = receive("deliveries", delivery(), delivery("<m2@x>"))

        assert receipt == ingest.Receipt(new=1, repeated=1, rejected=0)
        assert models.DeliveryEvent.objects.count() == models.Mail.objects.count() == 2
        assert len(sent.of("event_recorded")) == len(sent.of("status_changed")) == 2

    @pytest.mark.parametrize("place", [0, 6, 19], ids=["first", "middle", "last"])
    def test_that_stored_a_part_of_a_large_batch_are_seen(self, sent, place):
        batch = [delivery(f"<m{number}@x>") for number in range(20)]
        receive("deliveries", batch[place])

        receipt = receive("deliveries", *batch)

        assert receipt == ingest.Receipt(new=19, repeated=1, rejected=0)
        assert models.DeliveryEvent.objects.count() == models.Mail.objects.count() == 20
        assert len(sent.of("event_recorded")) == len(sent.of("status_changed")) == 20

    def test_with_the_same_mail_are_seen(self, monkeypatch, sent):
        receive("deliveries", delivery())
        portable = writers.PORTABLE.lock
        in_every_writer(
            monkeypatch,
            "lock",
            lambda real: lambda using, lookup: LockedRows({mail.pk: mail for mail in lookup.mails}, set()),
        )
        monkeypatch.setattr(writers.PORTABLE, "lock", portable)

        receipt = receive("deliveries", delivery(status="succeeded"))

        mail = models.Mail.objects.get()
        assert receipt.new == 1
        assert (mail.previous_status, mail.status, mail.version) == ("queued", "succeeded", 2)
        assert [(told["old"], told["new"]) for told in sent.of("status_changed")] == [
            ("", "queued"),
            ("queued", "succeeded"),
        ]
