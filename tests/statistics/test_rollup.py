from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone

from cmc_webhooks import ingest, maintenance, models, wire
from cmc_webhooks.statistics import deltas, histogram, recount, rollup
from cmc_webhooks.store import counts
from tests.conftest import bounce, delivery, notification

USING = "default"
TODAY = date(2023, 1, 25)

pytestmark = pytest.mark.django_db


def receive(event_type, *events, at=datetime(2023, 1, 25, 5, tzinfo=UTC)):
    return ingest.receive(wire.decode(notification(event_type, *events)), received_at=at)


def to(domain, number=1, **values):
    return delivery(f"<{domain}-{number}@x>", **{"to": f"user{number}@{domain}"} | values)


def rolled_up():
    return {count.domain: count for count in models.DomainCount.objects.all()}


class TestRollUp:
    def test_counts_mails_by_domain_and_outcome(self):
        receive("deliveries", *(to("a.example", n, status="succeeded") for n in range(3)))
        receive("deliveries", to("a.example", 4, status="failed"), to("b.example"), to("b.example", 2, to=""))
        receive("bounces", bounce("<a.example-1@x>", to="user1@a.example"))

        done = rollup.roll_up(USING)

        found = rolled_up()
        assert done == 1
        assert {name: (row.mails, row.succeeded, row.failed, row.bounced) for name, row in found.items()} == {
            "a.example": (4, 2, 1, 1),
            "b.example": (1, 0, 0, 0),
            "": (1, 0, 0, 0),
        }
        assert {row.day for row in found.values()} == {TODAY}

    def test_tells_how_long_deliveries_took(self):
        for number, seconds in enumerate((4, 4, 50)):
            at = datetime(2023, 1, 25, 14, 3, 6) + timedelta(seconds=seconds)  # noqa: DTZ001 - CMC's clock
            receive("deliveries", to("a.example", number))
            receive("deliveries", to("a.example", number, status="succeeded", created=str(at)))
        receive("deliveries", to("a.example", 9, status="succeeded"))

        rollup.roll_up(USING)

        classes = rolled_up()["a.example"].latencies
        assert sum(classes) == 3
        assert (classes[histogram.place(4)], classes[histogram.place(50)]) == (2, 1)

    def test_leaves_alone_what_did_not_change_or_is_fresh(self):
        receive("deliveries", to("a.example"))

        assert [rollup.roll_up(USING) for _ in range(2)] == [1, 0]
        models.DomainCount.objects.update(rolled_up_at=timezone.now() - timedelta(minutes=4))
        assert [rollup.roll_up(USING) for _ in range(2)] == [1, 0]
        models.MailCount.objects.update(changed_at=timezone.now() - timedelta(hours=2))
        models.DomainCount.objects.update(rolled_up_at=timezone.now() - timedelta(hours=1))
        assert rollup.roll_up(USING) == 0

    def test_replaces_what_it_told_before(self):
        receive("deliveries", to("a.example"))
        rollup.roll_up(USING)
        models.Mail.objects.update(domain="c.example")

        rollup.roll_up(USING, fresh=timedelta())

        assert set(rolled_up()) == {"c.example", ""}

    def test_keeps_the_largest_domains_and_sums_up_the_others(self, monkeypatch):
        monkeypatch.setattr(rollup, "DOMAINS_A_DAY", 2)
        for domain, number in (("a.example", 3), ("b.example", 2), ("c.example", 1), ("d.example", 1)):
            receive("deliveries", *(to(domain, n, status="succeeded") for n in range(number)))

        rollup.roll_up(USING)

        assert {name: row.mails for name, row in rolled_up().items()} == {
            "a.example": 3,
            "b.example": 2,
            "": 2,
        }

    def test_is_done_by_one_of_two_rivals(self):
        receive("deliveries", to("a.example"))
        [(day, composition, mark)] = rollup._stale(USING, timedelta())

        first = rollup._roll_up_day(USING, day, composition, mark)
        second = rollup._roll_up_day(USING, day, composition, mark)

        assert (first, second) == (True, False)
        [(_, _, mark)] = rollup._stale(USING, timedelta())
        assert [rollup._roll_up_day(USING, day, composition, mark) for _ in range(2)] == [True, False]

    def test_stops_when_its_time_is_over(self):
        receive("deliveries", to("a.example"))

        assert rollup.roll_up(USING, seconds=0) == 0


class TestShards:
    def test_of_an_old_day_become_one(self, monkeypatch):
        shards = iter([3, 5, 0, 7])
        monkeypatch.setattr(deltas.secrets, "randbelow", lambda below: next(shards))
        receive("deliveries", to("a.example", 1))
        receive("deliveries", to("a.example", 2), to("a.example", 1, status="succeeded"))
        receive("deliveries", to("a.example", 3))

        rollup.roll_up(USING)

        parts = models.MailCount.objects.exclude(number=0).values_list("shard", "status", "number")
        assert set(parts) == {(0, "queued", 2), (0, "succeeded", 1)}
        assert recount.recount(USING, recount.days(USING), check=True).wrong == 0
        assert rollup.roll_up(USING, fresh=timedelta()) <= 1

    def test_that_are_inserted_meanwhile_stay(self, monkeypatch):
        shards = iter([3, 5])
        monkeypatch.setattr(deltas.secrets, "randbelow", lambda below: next(shards))
        receive("deliveries", to("a.example", 1))
        exactly = counts.exactly

        def late(*args):
            locked = list(exactly(*args))
            if len(locked) == 1:
                receive("deliveries", to("a.example", 2))
            return locked

        monkeypatch.setattr(counts, "exactly", late)
        counts.take_counts(USING, models.MailCount.objects.get().day, "pro")

        assert [part.shard for part in models.MailCount.objects.all()] == [5]

    def test_of_today_stay(self, monkeypatch):
        monkeypatch.setattr(deltas.secrets, "randbelow", lambda below: 3)
        receive("deliveries", to("a.example", 1), at=timezone.now())

        rollup.roll_up(USING)

        assert [part.shard for part in models.MailCount.objects.all()] == [3]


class TestUpkeep:
    def test_sends_and_rolls_up(self, sent):
        receive("deliveries", to("a.example"))
        models.PendingSignal.objects.update(available_at=0)

        swept = maintenance.run(USING)

        assert swept.sent == len(sent) == 2
        assert set(rolled_up()) == {"a.example", ""}

    def test_does_not_roll_up_when_stopped(self):
        receive("deliveries", to("a.example"))

        maintenance.run(USING, stopped=lambda: True)

        assert rolled_up() == {}
