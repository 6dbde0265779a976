"""Events and notifications by time: ranges of their keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from datetime import timezone as offset

import pytest
from django.utils.timezone import override

from cmc_webhooks import models, timezones, wire
from tests.helpers import factories
from tests.models.test_querysets import captured, key_bounds

pytestmark = pytest.mark.django_db


class TestOccurredBetween:
    START = factories.START

    @pytest.fixture
    def hours(self):
        return [factories.DeliveryEventFactory(occurred_at=self.START + timedelta(hours=n)) for n in range(4)]

    @pytest.mark.parametrize(
        ("after", "before", "found"),
        [(0, 4, [0, 1, 2, 3]), (1, 2, [1]), (1, None, [1, 2, 3]), (None, 2, [0, 1]), (2, 1, [])],
    )
    def test_includes_the_start_only(self, hours, after, before, found):
        bounds = [None if n is None else self.START + timedelta(hours=n) for n in (after, before)]

        events = models.DeliveryEvent.objects.occurred_between(*bounds).order_by("pk")

        assert list(events) == [hours[n] for n in found]

    def test_is_everything_without_bounds(self, hours):
        assert models.DeliveryEvent.objects.occurred_between().count() == 4

    @pytest.mark.parametrize("zone", [14, 9, 0, -12])
    def test_finds_events_of_any_console_zone(self, zone):
        clock = datetime(2023, 1, 25, 12, 0, tzinfo=offset(timedelta(hours=zone)))
        key = wire.event_key("deliveries", "pro", {}, {}, clock)
        event = factories.DeliveryEventFactory(id=key, occurred_at=clock)

        bounds = clock.astimezone(UTC), clock.astimezone(UTC) + timedelta(microseconds=1)
        assert list(models.DeliveryEvent.objects.occurred_between(*bounds)) == [event]

    def test_finds_events_without_a_usable_time(self):
        key = wire.event_key("deliveries", "pro", {}, {}, None)
        event = factories.DeliveryEventFactory(id=key, occurred_at=self.START)

        day = timedelta(days=1)
        assert list(models.DeliveryEvent.objects.occurred_between(self.START, self.START + day)) == [event]
        assert not models.DeliveryEvent.objects.occurred_between(self.START + day).exists()

    def test_uses_ranges_of_the_primary_key(self, hours):
        end = self.START + timedelta(hours=4)

        found, [asked, _] = captured(
            lambda: models.DeliveryEvent.objects.occurred_between(self.START, end).order_by("pk")
        )

        assert " OR " not in asked
        assert key_bounds(models.DeliveryEvent.objects.occurred_between(self.START, end)) == {"gte", "lt"}
        assert found == hours

    def test_looks_at_events_without_a_time_if_there_are_any(self, hours):
        untimed = factories.DeliveryEventFactory(
            id=wire.event_key("deliveries", "pro", {}, {}, None), occurred_at=self.START
        )

        found = models.DeliveryEvent.objects.occurred_between(self.START, self.START + timedelta(hours=1))

        assert key_bounds(found) == {"lt"}
        assert set(found) == {hours[0], untimed}

    def test_lets_the_key_alone_decide_further_than_a_day_from_the_bounds(self):
        day = timedelta(days=1)
        at = [self.START + hours * timedelta(hours=1) for hours in (-36, -1, 0, 12, 47, 48, 60, 84)]
        events = [factories.DeliveryEventFactory(occurred_at=each) for each in at]
        untimed = factories.DeliveryEventFactory(
            id=wire.event_key("deliveries", "pro", {}, {}, None), occurred_at=self.START + 9 * day
        )
        between = models.DeliveryEvent.objects.occurred_between

        assert set(between(self.START, self.START + 2 * day)) == set(events[2:5])
        assert set(between(before=self.START + 2 * day)) == set(events[:5])
        assert set(between(self.START)) == {*events[2:], untimed}

    @pytest.mark.parametrize("zone", [14, 0, -12])
    @pytest.mark.parametrize(
        ("name", "bound", "all_found"),
        [
            ("after", datetime.min, True),  # noqa: DTZ901 - the end of time
            ("before", datetime.min, False),  # noqa: DTZ901 - the end of time
            ("after", datetime.max, False),  # noqa: DTZ901 - the end of time
            ("before", datetime.max, True),  # noqa: DTZ901 - the end of time
        ],
    )
    def test_reaches_to_the_ends_of_time(self, hours, name, bound, all_found, zone):
        bounds = {name: bound.replace(tzinfo=offset(timedelta(hours=zone)))}

        found = models.DeliveryEvent.objects.occurred_between(**bounds).order_by("pk")

        assert list(found) == (hours if all_found else [])

    @pytest.mark.parametrize("minutes", [1439, -1439])
    def test_is_exact_at_the_widest_offset(self, minutes):
        clock = datetime(2023, 1, 25, 12, 0, tzinfo=offset(timedelta(minutes=minutes)))
        record = wire.DeliveryRecord.of("deliveries", "pro", 0, {"created": clock.isoformat(" ")})
        event = factories.DeliveryEventFactory(id=record.key, occurred_at=clock.astimezone(UTC))

        just, later = clock.astimezone(UTC), clock.astimezone(UTC) + timedelta(microseconds=1)

        assert list(models.DeliveryEvent.objects.occurred_between(just, later)) == [event]
        assert not models.DeliveryEvent.objects.occurred_between(before=just).exists()
        assert not models.DeliveryEvent.objects.occurred_between(after=later).exists()

    def test_finds_blocks_too(self):
        block = factories.BlockEventFactory(occurred_at=self.START)
        factories.BlockEventFactory(occurred_at=self.START + timedelta(days=3))

        found = models.BlockEvent.objects.occurred_between(self.START, self.START + timedelta(days=1))

        assert list(found) == [block]

    @pytest.mark.parametrize("year", [1, 9999])
    @pytest.mark.parametrize("zone", [14, 0, -12])
    def test_makes_keys_up_to_the_ends_of_time(self, year, zone):
        last = (1, 1, 0) if year == 1 else (12, 31, 23)
        bound = datetime(year, *last, tzinfo=offset(timedelta(hours=zone)))

        rows = models.DeliveryEvent.objects.occurred_between(after=bound, before=bound)

        assert key_bounds(rows) == {"gte", "lt"}

    def test_reads_naive_bounds_in_the_zone_of_the_project(self, settings):
        settings.USE_TZ, settings.TIME_ZONE = False, "Asia/Tokyo"
        naive = datetime(2023, 1, 25, 14)  # noqa: DTZ001 - as such projects have it

        sql = str(models.DeliveryEvent.objects.occurred_between(after=naive).query)

        long_before = wire.key_at(datetime(2023, 1, 24, 3, tzinfo=UTC))
        assert long_before.hex in sql.replace("-", "")

    @pytest.mark.parametrize(
        ("after", "before", "found"),
        [
            (datetime(2023, 1, 25, 14), datetime(2023, 1, 25, 14, 0, 0, 1), True),  # noqa: DTZ001 - wall clocks
            (datetime(2023, 1, 25, 14, 0, 0, 1), None, False),  # noqa: DTZ001 - wall clocks
            (None, datetime(2023, 1, 25, 14), False),  # noqa: DTZ001 - wall clocks
            (datetime.min, datetime.max, True),  # noqa: DTZ901 - the end of time
        ],
    )
    @pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
    def test_is_exact_where_times_are_naive(self, settings, zone, after, before, found):
        settings.USE_TZ, settings.TIME_ZONE = False, zone
        noon = datetime(2023, 1, 25, 14)  # noqa: DTZ001 - wall clocks
        event = factories.DeliveryEventFactory(
            id=wire.event_key("deliveries", "pro", {}, {}, noon),
            occurred_at=noon,
            mail__created_at=noon,
            notification__received_at=noon,
        )

        events = models.DeliveryEvent.objects.occurred_between(after, before)

        assert list(events) == ([event] if found else [])

    @pytest.mark.parametrize("active", ["UTC", "Pacific/Kiritimati"])
    @pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
    def test_takes_aware_bounds_where_times_are_naive(self, settings, zone, active):
        settings.USE_TZ, settings.TIME_ZONE = False, zone
        noon = self.START
        stored = timezones.to_stored(noon)
        event = factories.DeliveryEventFactory(
            occurred_at=stored, mail__created_at=stored, notification__received_at=stored
        )
        between = models.DeliveryEvent.objects.occurred_between

        with override(active):
            assert list(between(noon, noon + timedelta(microseconds=1))) == [event]
            assert list(between(stored, stored + timedelta(microseconds=1))) == [event]
            assert not between(before=noon).exists()
            assert not between(after=noon + timedelta(microseconds=1)).exists()
            assert between(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)).exists()


class TestReceivedBetween:
    START = datetime(2023, 1, 25, 5, tzinfo=UTC)

    @pytest.fixture
    def minutes(self):
        return [
            factories.NotificationFactory(received_at=self.START + timedelta(minutes=n, microseconds=n))
            for n in range(4)
        ]

    @pytest.mark.parametrize(
        ("after", "before", "found"),
        [(0, 4, [0, 1, 2, 3]), (1, 2, [1]), (1, None, [1, 2, 3]), (None, 2, [0, 1]), (2, 1, [])],
    )
    def test_includes_the_start_only(self, minutes, after, before, found):
        bounds = [
            None if n is None else self.START + timedelta(minutes=n, microseconds=n) for n in (after, before)
        ]

        received = models.Notification.objects.received_between(*bounds).order_by("pk")

        assert list(received) == [minutes[n] for n in found]

    def test_uses_a_range_of_the_primary_key(self):
        received = models.Notification.objects.received_between(self.START, self.START)

        assert key_bounds(received) == {"gte", "lt"}

    def test_finds_both_readings_of_an_hour_that_comes_twice(self, settings):
        settings.USE_TZ, settings.TIME_ZONE = False, "Europe/Berlin"
        twice = datetime(2023, 10, 29, 2, 30)  # noqa: DTZ001 - as such projects have it
        for hours in (0, 1):
            moment = datetime(2023, 10, 29, 0, 30, tzinfo=UTC) + timedelta(hours=hours)
            key = wire.time_key(int(moment.timestamp() * 1000))
            factories.NotificationFactory(id=key, received_at=timezones.to_stored(moment))

        received = models.Notification.objects.received_between(twice, twice + timedelta(minutes=1))

        assert received.count() == 2
