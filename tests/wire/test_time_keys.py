"""Keys that are made of a time, and those without."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmc_webhooks import wire
from tests.wire.test_keys import CREATED, UNTIMED_KEY, texts


class TestTimeKey:
    def test_orders_by_time_then_by_place(self):
        keys = [
            wire.time_key(ms, sequence)
            for ms in (0, 1, 1674655386000, 1674655386001)
            for sequence in (0, 1, 255, 256, 4095)
        ]

        assert keys == sorted(keys)
        assert [key.bytes for key in keys] == sorted(key.bytes for key in keys)

    def test_carries_its_time(self):
        assert wire.key_ms(wire.time_key(1674655386000, 4095)) == 1674655386000

    def test_is_never_the_same_twice(self):
        keys = {wire.time_key(1674655386000) for _ in range(1000)}

        assert len(keys) == 1000

    @given(st.integers(0, 2**48 - 1), st.integers(0, 4095))
    def test_is_a_uuid_that_every_database_orders_by_its_bytes(self, ms, sequence):
        key = wire.time_key(ms, sequence)

        assert key.version == 8
        assert 0xB0 <= key.bytes[8] <= 0xBF


class TestKeyAt:
    def test_is_frozen(self):
        moment = CREATED.replace(microsecond=123_999)

        assert wire.key_at(moment) == UUID("0185e93d-4a0b-8000-b000-000000000000")

    @pytest.mark.parametrize("zone", [None, UTC, timezone(timedelta(hours=-5))], ids=str)
    def test_reads_the_wall_clock_of_any_zone(self, zone):
        assert wire.key_at(CREATED.replace(tzinfo=zone)) == wire.key_at(CREATED)

    @given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9999, 12, 29)), texts)  # noqa: DTZ001 - wall clocks
    def test_parts_the_events_of_a_moment_from_those_before(self, moment, text):
        before = moment - timedelta(milliseconds=1)

        key, key_before = (
            wire.event_key("deliveries", "pro", {"subject": text}, {}, created)
            for created in (moment, before)
        )

        assert key_before < wire.key_at(moment) <= key

    @pytest.mark.parametrize("moment", [datetime.min, datetime(1969, 12, 31, 23, 59)], ids=str)  # noqa: DTZ001, DTZ901 - wall clocks
    def test_is_below_every_key_before_1970(self, moment):
        assert wire.key_at(moment) == UUID("00000000-0000-8000-b000-000000000000")

    def test_is_above_every_event_at_the_end_of_time(self):
        last = datetime(9999, 12, 29, 23, 59, 59)  # noqa: DTZ001 - wall clocks

        key = wire.event_key("deliveries", "pro", {}, {}, last)

        assert key < wire.key_at(datetime.max)  # noqa: DTZ901 - the end of time


class TestUntimedEnd:
    def test_parts_events_without_a_time_from_the_others(self):
        timed = wire.event_key("deliveries", "pro", {}, {}, datetime(1970, 1, 1, 0, 0, 1))  # noqa: DTZ001 - wall clocks

        assert UNTIMED_KEY < wire.UNTIMED_END < timed

    @given(st.dictionaries(texts, texts, max_size=3))
    def test_is_above_every_event_without_a_time(self, values):
        key = wire.event_key("deliveries", "pro", values, {}, None)

        assert key < wire.UNTIMED_END
        assert wire.key_ms(key) == 0


class TestRejectionKey:
    RAW = '{"to": ["a@example.jp"]}'

    def test_is_frozen(self):
        key = wire.rejection_key("deliveries", "pro", self.RAW)

        assert key == UUID("020eaeb5-1cf0-83f5-b5a8-3d083c40f5da")

    @pytest.mark.parametrize(
        "arguments", [("bounces", "pro", RAW), ("deliveries", "", RAW), ("deliveries", "pro", RAW + " ")]
    )
    def test_is_another_for_another_type_composition_or_text(self, arguments):
        assert wire.rejection_key(*arguments) != wire.rejection_key("deliveries", "pro", self.RAW)

    @given(texts, texts, texts)
    def test_is_a_uuid_that_every_database_orders_by_its_bytes(self, event_type, composition, raw):
        key = wire.rejection_key(event_type, composition, raw)

        assert key.version == 8
        assert 0xB0 <= key.bytes[8] <= 0xBF
