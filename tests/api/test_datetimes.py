from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone as django_timezone

from cmc_webhooks.api import datetimes

NOON = datetime(2023, 1, 25, 12, 0, tzinfo=UTC)


class TestBound:
    @pytest.mark.parametrize(
        "text",
        [
            "2023-01-25T12:00:00Z",
            "2023-01-25t12:00:00z",
            "2023-01-25 12:00:00Z",
            "2023-01-25T12:00Z",
            "2023-01-25T12Z",
            "20230125T120000Z",
            "2023-01-25T12:00:00.000Z",
            "2023-01-25T12:00:00,000000000Z",
            "2023-01-25T21:00:00+09:00",
            "2023-01-25T21:00:00 09:00",
            "2023-01-25T21:00:00+0900",
            "2023-01-25T21:00:00 0900",
            "2023-01-25T21:00:00+09",
            "2023-01-25T21:00:00 09",
            "2023-01-25 21:00:00 +09:00",
            "2023-01-25 21:00:00  09:00",
            "2023-01-25T21:00 09:00",
            "20230125T2100 09",
            "2023-01-25T04:30:00-07:30",
            "2023-01-25T04:30:00\u221207:30",
            " 2023-01-25T12:00:00Z ",
        ],
    )
    @pytest.mark.parametrize("end", [False, True])
    def test_reads_every_form_with_an_offset(self, text, end):
        moment = datetimes.bound(text, end=end)

        assert moment == NOON

    def test_keeps_microseconds(self):
        moment = datetimes.bound("2023-01-25T12:00:00.000001Z", end=False)

        assert moment == NOON + timedelta(microseconds=1)

    def test_takes_a_time_without_an_offset_as_one_of_the_active_zone(self):
        with django_timezone.override("Asia/Tokyo"):
            moment = datetimes.bound("2023-01-25 21:00", end=False)

        assert moment == NOON

    def test_takes_a_day_as_the_whole_local_day(self):
        with django_timezone.override("Asia/Tokyo"):
            start = datetimes.bound("2023-01-25", end=False)
            end = datetimes.bound("20230125", end=True)

        assert start == datetime(2023, 1, 25, tzinfo=timezone(timedelta(hours=9)))
        assert end == datetime(2023, 1, 26, tzinfo=timezone(timedelta(hours=9)))

    def test_takes_a_day_of_23_hours_as_the_whole_local_day(self):
        with django_timezone.override("Europe/Paris"):
            length = datetimes.bound("2023-03-26", end=True).timestamp()
            length -= datetimes.bound("2023-03-26", end=False).timestamp()

        assert length == 23 * 3600

    def test_is_naive_where_the_project_stores_naive_times(self, settings):
        settings.USE_TZ = False
        settings.TIME_ZONE = "Asia/Tokyo"

        moment = datetimes.bound("2023-01-25T12:00:00Z", end=False)

        assert moment == datetime(2023, 1, 25, 21, 0)  # noqa: DTZ001 - USE_TZ is off

    def test_is_naive_in_the_zone_of_the_project_whatever_is_active(self, settings):
        settings.USE_TZ = False
        settings.TIME_ZONE = "Asia/Tokyo"

        with django_timezone.override("America/New_York"):
            exact = datetimes.bound("2023-01-25T12:00:00Z", end=False)
            local = datetimes.bound("2023-01-25T07:00", end=False)

        assert exact == local == datetime(2023, 1, 25, 21, 0)  # noqa: DTZ001 - USE_TZ is off

    @pytest.mark.parametrize(
        "text",
        [
            "notadate",
            "",
            " ",
            "\0",
            "2023-01-25\0",
            "2023",
            "2023-01",
            "2023-02-30",
            "2023-W04",
            "2023-13-01T00:00:00Z",
            "2023-01-25T25:00",
            "2023-01-25T12:00:60",
            "2023-01-25T12:00+24:00",
            "2023-01-25T",
            "2023-01-25T12:00:00+09:00Z",
            "1674637200",
            "٢٠٢٣-٠١-٢٥",
            "0000-00-00",
            "99999-01-01",
            "2023-01-25T12:00:00Z" * 1000,
        ],
    )
    def test_refuses_what_is_no_time(self, text):
        with pytest.raises(datetimes.BadMoment):
            datetimes.bound(text, end=True)

    @pytest.mark.parametrize("year", [1900, 9998])
    def test_reads_the_first_and_the_last_year(self, year):
        moment = datetimes.bound(f"{year}-12-31T23:59:59-23:59", end=True)

        assert moment.astimezone(UTC) > datetime(year, 12, 31, tzinfo=UTC)


class TestMomentField:
    def test_says_what_is_allowed(self):
        field = datetimes.MomentField(end=False)

        with pytest.raises(ValidationError) as refusal:
            field.clean("notadate")

        assert "2023-01-25T14:03:06+09:00" in refusal.value.messages[0]

    def test_takes_nothing_for_no_bound(self):
        field = datetimes.MomentField(end=True, required=False)

        assert field.clean("") is None
