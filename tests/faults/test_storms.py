"""Many writers on the same mails: no deadlock, exact rows; and a proof that the test could see one."""

from __future__ import annotations

import random
import threading
from collections import Counter
from contextlib import suppress

import pytest
from django.db import connection, connections, transaction

from cmc_webhooks import ingest, models, wire
from cmc_webhooks.db import transactions
from cmc_webhooks.store import bulk, orm
from tests.conftest import delivery, notification
from tests.faults import harness

pytestmark = pytest.mark.django_db(transaction=True)

WRITERS = 8
MAILS = [f"<m{number}@example.com>" for number in range(60)]


@pytest.fixture
def errors(monkeypatch):
    """What the database answered with, counted by what it was."""
    seen = Counter()
    real = transactions._may_pass

    def counting(connection, error):
        seen[transactions.described(error)] += 1
        return real(connection, error)

    monkeypatch.setattr(transactions, "_may_pass", counting)
    return seen


@pytest.fixture
def quick_deadlocks():
    """PostgreSQL looks for deadlocks after a second; here at once, or the control takes minutes."""
    if connection.vendor != "postgresql":
        yield
        return
    name = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {connection.ops.quote_name(name)} SET deadlock_timeout = '50ms'")
    connections.close_all()
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {connection.ops.quote_name(name)} RESET deadlock_timeout")


def storm(work, rounds):
    """Run `work(dice)` so often in each of 8 threads; what failed."""
    failures = []
    barrier = threading.Barrier(WRITERS)

    def run(seed):
        dice = random.Random(seed)  # noqa: S311 - the same dice each time
        try:
            barrier.wait(30)
            for _ in range(rounds):
                work(dice)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    return failures


def the_same_mails(posted):
    """All writers tell of the same 60 mails, which are there after the first batches."""
    return MAILS


def new_mails(posted):
    """Half of the mails that are told of are new in every round, to all writers at once."""
    now = posted // WRITERS
    return [f"<m{number}@example.com>" for number in range(30 * now, 30 * now + 60)]


def receive(body):
    """Receive a notification. On SQLite send it again, as CMC does: its lock may starve a writer for long."""
    for _ in range(5 if connection.vendor == "sqlite" else 0):
        with suppress(transactions.Unavailable):
            return ingest.receive(wire.decode(body))
    return ingest.receive(wire.decode(body))


class TestStorm:
    @pytest.mark.parametrize("mails_now", [the_same_mails, new_mails])
    def test_of_overlapping_batches_has_no_deadlock(self, quick_deadlocks, errors, mails_now):
        bodies = []

        def post(dice):
            words = ["queued", "deferred", "succeeded", "failed"]
            mails = dice.sample(mails_now(len(bodies)), 40)
            dice.shuffle(mails)
            body = notification("deliveries", *(delivery(mail, status=dice.choice(words)) for mail in mails))
            bodies.append(body)
            receive(body)

        # So many rounds that the first one, in which InnoDB may find some deadlocks, is no sample of its own
        failures = storm(post, max(harness.FAULTS, 100))

        stored = set(models.DeliveryEvent.objects.values_list("pk", flat=True))
        print(f"\n{len(bodies)} batches of 40 by {WRITERS} writers: {dict(errors) or 'no retry'}")
        assert failures == []
        assert stored == set().union(*(harness.keys_in(body) for body in bodies))
        assert [mail for mail in models.Mail.objects.all() if mail.status != harness.oracle(mail)] == []
        if connection.vendor == "postgresql":
            assert errors == {}
        assert sum(errors.values()) <= max(1, len(bodies) * 0.02)

    def test_sees_deadlocks_where_keys_are_not_sorted(self, quick_deadlocks, errors, monkeypatch, settings):
        if connection.vendor == "sqlite":
            pytest.skip("SQLite has one writer at a time, and so no deadlock")
        settings.CMC_WEBHOOKS_RAW_SQL = False
        monkeypatch.setattr(orm, "by_key", list)
        monkeypatch.setattr(orm, "lock_mails", unsorted_lock)

        def post(dice):
            mails = dice.sample(MAILS, 40)
            body = notification("deliveries", *(delivery(mail, subject=str(dice.random())) for mail in mails))
            try:
                ingest.receive(wire.decode(body))
            except transactions.Unavailable:
                errors["gave up"] += 1

        storm(post, 10)

        print(f"\nthe control, unsorted: {dict(errors)}")
        assert sum(errors.values()) > 0


def unsorted_lock(using, mails):
    """What `portable.lock_mails` must not be: each mail is locked as it comes."""
    stored = {}
    for mail in mails:
        bulk.upsert(using, [mail], [orm._SAME])
        stored[mail.pk] = models.Mail.objects.using(using).select_for_update().get(pk=mail.pk)
    return stored


class TestRepeats:
    def test_change_no_row_version_or_signal(self, sent):
        bodies = [
            notification("deliveries", *(delivery(f"<{n}-{k}@x>", status="succeeded") for k in range(100)))
            for n in range(10)
        ]
        for body in bodies:
            ingest.receive(wire.decode(body))
        before = [
            list(model.objects.order_by("pk").values()) for model in (models.Mail, models.DeliveryEvent)
        ]
        sent.clear()

        for _ in range(5 * harness.FAULTS):
            for body in bodies:
                receipt = ingest.receive(wire.decode(body))
                assert (receipt.new, receipt.repeated) == (0, 100)

        after = [list(model.objects.order_by("pk").values()) for model in (models.Mail, models.DeliveryEvent)]
        print(f"\n{5 * harness.FAULTS * 1000} repeated events: no change")
        assert after == before
        assert sent == []
        assert not models.PendingSignal.objects.exists()


class TestLocks:
    def test_held_too_long_end_in_503_and_nothing_stored(self, monkeypatch):
        if connection.vendor == "sqlite":
            pytest.skip("SQLite waits as its OPTIONS say")
        monkeypatch.setattr(transactions, "LOCK_SECONDS", 1)
        monkeypatch.setattr(transactions, "SECONDS_IN_ALL", 1)
        body = notification("deliveries", delivery())
        ingest.receive(wire.decode(body))
        held, done = threading.Event(), threading.Event()

        def hold():
            with transaction.atomic():
                list(models.Mail.objects.select_for_update())
                held.set()
                done.wait(30)
            connections.close_all()

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(30)
        try:
            with pytest.raises(transactions.Unavailable):
                ingest.receive(wire.decode(notification("deliveries", delivery(status="succeeded"))))
        finally:
            done.set()
            holder.join(30)

        assert models.DeliveryEvent.objects.count() == 1
