from __future__ import annotations

import json
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from cmc_webhooks import ingest, models, wire
from cmc_webhooks.backfill import fetch
from tests.conftest import bounce, delivery, notification
from tests.helpers import fake_api

pytest.importorskip("httpx")

from cmc_webhooks import rest as rest_client

USING = "default"
DAY = date(2023, 1, 25)

pytestmark = pytest.mark.django_db(transaction=True)


def webhook(kind, *events):
    return ingest.receive(wire.decode(notification(kind, *events)))


def fewer(event):
    """A row of the API that says less than the notification did, and spells an address otherwise."""
    kept = {name: value for name, value in event.items() if name in ("created", "messageId", "status")}
    return {**kept, "to": event["to"].upper()}


def numbered(number):
    return [delivery(f"<m{each}@x>") for each in range(number)]


@pytest.fixture
def run(rest_api):
    def run(*days, compositions=("pro",), kinds=fetch.KINDS, **options):
        with rest_client.Client(
            rest_api.url, fake_api.USER, fake_api.KEY, pause=lambda seconds: None
        ) as client:
            return list(fetch.backfill(USING, client, days or [DAY], compositions, kinds, **options))

    return run


class TestDaysBetween:
    TODAY = date(2026, 11, 28)

    @pytest.mark.parametrize(
        ("first", "last", "days"),
        [
            (None, None, [date(2026, 11, 27)]),
            (date(2026, 11, 28), None, [date(2026, 11, 28)]),
            (date(2026, 10, 31), date(2026, 11, 1), [date(2026, 10, 31), date(2026, 11, 1)]),
        ],
        ids=["yesterday", "today", "two"],
    )
    def test_are_in_order(self, first, last, days):
        assert fetch.days_between(first, last, self.TODAY) == days

    @pytest.mark.parametrize(
        ("first", "last", "message"),
        [
            (date(2026, 11, 29), None, "2026-11-29 is in the future"),
            (date(2026, 11, 1), date(2027, 1, 1), "2027-01-01 is in the future"),
            (date(2026, 11, 2), date(2026, 11, 1), "2026-11-01 is before 2026-11-02"),
            (date(2025, 11, 1), date(2026, 11, 28), "393 days are more than 366"),
            (date(1, 1, 1), None, "0001-01-01 is before 1970-01-02"),
        ],
        ids=["a future day", "a future end", "reversed", "too many", "too old"],
    )
    def test_must_be_days_that_can_be_asked_for(self, first, last, message):
        with pytest.raises(ValueError, match=message):
            fetch.days_between(first, last, self.TODAY)


class TestBackfill:
    def test_brings_a_missed_bounce_with_its_status_and_signals(self, run, rest_api, sent):
        webhook("deliveries", delivery(status="succeeded"))
        sent.clear()
        rest_api.rows["bounces", "pro", "2023-01-25"] = [bounce()]

        done = run()

        mail, event = models.Mail.objects.get(), models.BounceEvent.objects.get()
        assert done[0].fetched["bounces"] == fetch.Fetched(rows=1, new=1)
        assert (mail.status, mail.previous_status, mail.version) == ("bounced", "succeeded", 2)
        assert event.occurred_at == datetime(2023, 1, 25, 5, 6, 7, tzinfo=UTC)
        assert [name for name, _, _ in sent] == ["event_recorded", "status_changed"]
        assert sent.of("status_changed")[0]["old"] == "succeeded"
        assert set(models.Notification.objects.values_list("event_type", "source")) == {
            ("deliveries", "webhook"),
            ("bounces", "rest"),
        }

    def test_knows_what_the_webhook_told_though_rows_say_less(self, run, rest_api, sent):
        events = [delivery(), delivery(status="succeeded", created="2023-01-25 14:03:09")]
        webhook("deliveries", *events)
        webhook("bounces", bounce())
        sent.clear()
        before = models.Notification.objects.count()
        rest_api.rows["deliveries", "pro", "2023-01-25"] = [fewer(event) for event in events]
        rest_api.rows["bounces", "pro", "2023-01-25"] = [fewer(bounce())]

        done = run()

        assert done[0].fetched == {
            "deliveries": fetch.Fetched(2, known=2),
            "bounces": fetch.Fetched(1, known=1),
        }
        assert models.Notification.objects.count() == before
        assert sent == []

    def test_stores_nothing_the_second_time(self, run, rest_api, sent):
        rest_api.rows["deliveries", "pro", "2023-01-25"] = [
            *numbered(250),
            "odd",
            delivery("<u@x>", created=""),
        ]

        first, second = run()[0], run()[0]

        assert first.fetched["deliveries"] == fetch.Fetched(rows=252, new=251, rejected=1)
        assert second.fetched["deliveries"] == fetch.Fetched(rows=252, known=252)
        assert models.DeliveryEvent.objects.count() == 251
        assert models.Notification.objects.count() == 3
        assert len(sent.of("event_recorded")) == 251

    def test_reads_an_event_told_again_by_the_webhook_as_known(self, run, rest_api):
        rest_api.rows["deliveries", "pro", "2023-01-25"] = [delivery()]
        run()

        assert webhook("deliveries", delivery()) == ingest.Receipt(0, 1, 0)

    @pytest.mark.parametrize(
        ("zone", "day", "created"),
        [
            pytest.param("UTC", "2023-01-25", "2023-01-25 05:03:06", id="UTC"),
            pytest.param("America/New_York", "2023-01-25", "2023-01-25 00:03:06", id="west"),
            pytest.param("Pacific/Auckland", "2023-01-25", "2023-01-25 18:03:06", id="east"),
            pytest.param("Asia/Kathmandu", "2023-01-25", "2023-01-25 10:48:06", id="no whole hours"),
            pytest.param("UTC", "2023-01-25", "2023-01-25T14:03:06+0900", id="with an offset"),
        ],
    )
    def test_reads_times_in_the_zone_of_the_api_user(self, run, rest_api, settings, zone, day, created):
        settings.CMC_WEBHOOKS_REST_TIME_ZONE = zone
        webhook("deliveries", delivery(), delivery("<other@x>"))
        rest_api.rows["deliveries", "pro", day] = [
            delivery(created=created),
            delivery("<new@x>", created=created),
        ]

        done = run()

        keys = set(models.DeliveryEvent.objects.values_list("occurred_at", flat=True))
        assert done[0].fetched["deliveries"] == fetch.Fetched(rows=2, new=1, known=1)
        assert keys == {datetime(2023, 1, 25, 5, 3, 6, tzinfo=UTC)}

    @pytest.mark.parametrize("hour", [4, 5, 6, 7])  # by UTC; 5 and 6 are both the hour after one in New York
    def test_knows_what_happened_in_an_hour_that_comes_twice(self, run, rest_api, settings, hour):
        settings.CMC_WEBHOOKS_REST_TIME_ZONE = "America/New_York"
        moment = datetime(2022, 11, 6, hour, 30, tzinfo=UTC)
        told, listed = (
            f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"
            for zone in ("Asia/Tokyo", "America/New_York")
        )
        webhook("deliveries", delivery(created=told), delivery("<other@x>", created=told))
        rows = [delivery(created=listed), delivery("<new@x>", created=listed), {"created": listed, "to": []}]
        rest_api.rows["deliveries", "pro", "2022-11-06"] = rows

        first, second = (run(date(2022, 11, 6))[0].fetched["deliveries"] for _ in range(2))

        assert first == fetch.Fetched(rows=3, new=1, known=1, rejected=1)
        assert second == fetch.Fetched(rows=3, known=3)

    def test_makes_the_key_that_the_webhook_makes(self, run, rest_api, settings):
        settings.CMC_WEBHOOKS_REST_TIME_ZONE = "UTC"
        rest_api.rows["deliveries", "pro", "2023-01-25"] = [delivery(created="2023-01-25 05:03:06")]
        run()

        assert webhook("deliveries", delivery()) == ingest.Receipt(0, 1, 0)

    def test_only_counts_in_a_dry_run(self, run, rest_api):
        webhook("deliveries", delivery())
        rest_api.rows["deliveries", "pro", "2023-01-25"] = [delivery(), delivery("<new@x>"), "odd"]

        done = run(dry_run=True)

        assert done[0].fetched["deliveries"] == fetch.Fetched(rows=3, new=1, known=1, rejected=1)
        assert models.DeliveryEvent.objects.count() == 1
        assert not models.RejectedEvent.objects.exists()

    def test_goes_through_days_compositions_and_kinds(self, run, rest_api):
        done = run(DAY, date(2023, 1, 26), compositions=["pro", "sandbox"], kinds=["bounces"])

        assert [(each.day.day, each.composition) for each in done] == [
            (25, "pro"),
            (25, "sandbox"),
            (26, "pro"),
            (26, "sandbox"),
        ]
        assert {action for action, _ in rest_api.asked} == {"bounces/list"}

    def test_takes_no_more_than_a_hundred_at_once(self, run, rest_api, monkeypatch):
        sizes, take = [], ingest.take

        def counted(sent, **how):
            sizes.append(len(sent.records))
            return take(sent, **how)

        monkeypatch.setattr(ingest, "take", counted)
        rest_api.answers.append((200, json.dumps({"deliveries": numbered(255)})))

        run(kinds=["deliveries"], compare=False)

        assert sizes == [100, 100, 55]

    def test_tells_how_far_it_is(self, run, rest_api):
        rest_api.rows["deliveries", "pro", "2023-01-25"] = numbered(105)
        done = []

        run(progress=done.append)

        assert done == [100, 5]

    def test_keeps_what_is_stored_when_the_api_goes_away(self, run, rest_api):
        rest_api.rows["deliveries", "pro", "2023-01-25"] = numbered(105)
        rest_api.answers.extend([(200, json.dumps({"deliveries": numbered(100)})), *[(500, "")] * 4])

        with pytest.raises(rest_client.Unreachable):
            run()

        assert models.DeliveryEvent.objects.count() == 100
        assert run()[0].fetched["deliveries"] == fetch.Fetched(rows=105, new=5, known=100)


class TestDifferences:
    ROWS = [
        delivery("<a@x>"),
        delivery("<a@x>", status="deferred"),
        delivery("<a@x>", status="deferred", created="2023-01-25 15:00:00"),
        delivery("<a@x>", status="succeeded", created="2023-01-25 23:59:59"),
        delivery("<b@x>", created="2023-01-25 00:00:00"),
        delivery("<b@x>", status="failed", created="2023-01-26 00:00:00"),
    ]

    @pytest.fixture(autouse=True)
    def stored(self):
        webhook("deliveries", *self.ROWS)

    def told(self, rest_api, **numbers):
        rest_api.statistics = [
            {"date": "2023-01-25", "queued": 2, "succeeded": 1, "failed": 0, "blocked": 0} | numbers
        ]

    def test_are_none_where_both_count_the_same(self, run, rest_api):
        self.told(rest_api)

        assert run()[0].differences == []

    def test_are_told_by_status(self, run, rest_api):
        self.told(rest_api, queued=3, failed=4)

        assert run()[0].differences == [("queued", 3, 2), ("failed", 4, 0)]

    def test_are_those_of_one_composition(self, run, rest_api):
        self.told(rest_api, queued=1)

        assert run(compositions=["sandbox"])[0].differences == [("queued", 1, 0), ("succeeded", 1, 0)]

    def test_are_told_where_cmc_has_no_such_day(self, run, rest_api):
        assert run()[0].differences == [("queued", 0, 2), ("succeeded", 0, 1)]

    def test_are_of_days_in_the_zone_of_the_api_user(self, run, rest_api, settings):
        settings.CMC_WEBHOOKS_REST_TIME_ZONE = "UTC"
        self.told(rest_api, queued=1, failed=1)

        assert run()[0].differences == []

    def test_are_asked_for_once_a_month(self, run, rest_api):
        run(date(2023, 1, 30), date(2023, 1, 31), date(2023, 2, 1))

        months = [fields["month"] for action, fields in rest_api.asked if action == "statistics/list"]
        assert months == ["1", "2"]

    @pytest.mark.parametrize("options", [{"compare": False}, {"kinds": ["bounces"]}], ids=str)
    def test_are_not_asked_for_where_nobody_wants_them(self, run, rest_api, options):
        assert run(**options)[0].differences == []
        assert "statistics/list" not in {action for action, _ in rest_api.asked}

    def test_are_found_where_the_project_stores_naive_times(self, run, rest_api, settings):
        settings.USE_TZ = False
        self.told(rest_api, queued=3)

        assert run()[0].differences == [("queued", 3, 2)]
