from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest
from django.utils import timezone, translation

from cmc_webhooks import timezones
from cmc_webhooks.admin.overview import periods
from cmc_webhooks.timezones import DateRange

SUNDAY = date(2026, 11, 29)


def past(days, last=SUNDAY):
    return DateRange(last - timedelta(days=days - 1), last)


class TestBefore:
    def test_is_as_long_and_ends_on_the_day_before(self):
        assert periods.before(past(7)) == DateRange(date(2026, 11, 16), date(2026, 11, 22))

    @pytest.mark.parametrize(
        ("language", "days", "name"),
        [("en", 1, "the day before"), ("en", 7, "the 7 days before"), ("ja", 7, "前の 7 日間")],
    )
    def test_has_a_name(self, language, days, name):
        with translation.override(language):
            assert periods.name_of_before(past(days)) == name


class TestSlots:
    @pytest.mark.parametrize("days", [1, 7, 30, 90])
    def test_are_days_up_to_90(self, days):
        found = periods.slots(past(days))

        assert [slot.days for slot in found] == [DateRange(day, day) for day in periods.days_of(past(days))]

    @pytest.mark.parametrize("days", [91, 365, 366])
    def test_are_weeks_from_monday_on_above(self, days):
        found = periods.slots(past(days))

        assert [day for slot in found for day in periods.days_of(slot.days)] == periods.days_of(past(days))
        assert {slot.days.first.weekday() for slot in found[1:]} == {0}
        assert {len(periods.days_of(slot.days)) for slot in found[1:-1]} == {7}
        assert len(found) <= 54

    def test_of_a_week_have_weekdays_and_dates(self):
        assert periods.slots(past(7))[0].label == ("Mon", "Nov 23")
        assert all(slot.label for slot in periods.slots(past(7)))
        with translation.override("ja"):
            assert periods.slots(past(7))[0].label == ("月", "11/23")

    @pytest.mark.parametrize(("days", "most"), [(30, 5), (90, 7)])
    def test_of_more_days_have_mondays(self, days, most):
        labels = [slot.label for slot in periods.slots(past(days)) if slot.label]

        assert {weekday for weekday, _day in labels} == {"Mon"}
        assert 4 <= len(labels) <= most

    def test_of_a_year_have_months_and_the_year(self):
        labels = [slot.label for slot in periods.slots(past(365)) if slot.label]

        assert labels == [("Jan", "2026"), ("Mar",), ("May",), ("Jul",), ("Sep",), ("Nov",)]

    def test_of_reversed_days_are_none(self):
        assert periods.slots(DateRange(SUNDAY, SUNDAY - timedelta(days=1))) == []


class TestHours:
    @pytest.mark.parametrize(
        ("zone", "day", "number"),
        [
            ("Asia/Tokyo", SUNDAY, 24),
            ("Europe/Berlin", date(2026, 3, 29), 23),
            ("Europe/Berlin", date(2026, 10, 25), 25),
        ],
        ids=str,
    )
    def test_are_those_of_the_clock(self, settings, zone, day, number):
        settings.TIME_ZONE = zone
        timezone.get_default_timezone.cache_clear()

        slots, edges = periods.hours(day)

        assert len(slots) == number == len(edges) - 1
        assert (edges[0], edges[-1]) == timezones.day_range(day)
        assert (slots[0].name, slots[-1].name) == (f"{day} 00:00", f"{day} 23:00")
        assert [slot.label for slot in slots[-3:]] == [("21:00",), (), ()]


class TestSums:
    def test_are_those_of_the_days_of_a_slot(self):
        by_day = {SUNDAY - timedelta(days=number): Counter(failed=1) for number in range(100)}
        slots = periods.slots(past(100))

        assert [count["failed"] for count in periods.sums(by_day, slots)][-2:] == [7, 7]
        assert sum(periods.sums(by_day, slots), Counter()) == Counter(failed=100)

    def test_may_be_those_of_days_before(self):
        by_day = {SUNDAY - timedelta(days=7): Counter(failed=3)}

        found = periods.sums(by_day, periods.slots(past(7)), days_ago=7)

        assert [count["failed"] for count in found] == [0] * 6 + [3]
