from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmc_webhooks.statistics import histogram


def classes_of(*seconds):
    classes = [0] * (len(histogram.EDGES) + 1)
    for each in seconds:
        classes[histogram.place(each)] += 1
    return classes


class TestPlace:
    @pytest.mark.parametrize(("seconds", "place"), [(0, 0), (0.9, 0), (1, 1), (59, 7), (60, 8), (10**9, 19)])
    def test_begins_each_class_at_its_edge(self, seconds, place):
        assert histogram.place(seconds) == place


class TestQuantile:
    def test_is_none_without_mails(self):
        assert histogram.quantile([], 0.5) is None
        assert histogram.quantile(classes_of(), 0.95) is None

    @pytest.mark.parametrize(
        ("seconds", "share", "expected"),
        [
            ([0.5], 0.5, 0.5),
            ([3, 3, 3, 3], 0.5, 4.0),
            ([1, 1, 1, 100], 0.5, 1 + 2 / 3),
            ([1] * 19 + [90], 0.95, 2.0),
            ([10**9], 0.5, histogram.EDGES[-1]),
        ],
    )
    def test_lies_where_that_share_is_reached(self, seconds, share, expected):
        assert histogram.quantile(classes_of(*seconds), share) == pytest.approx(expected)

    @given(st.lists(st.integers(0, 10**6), min_size=1, max_size=50), st.floats(0.01, 1))
    def test_is_in_the_class_of_the_true_one(self, seconds, share):
        rank = next(rank for rank in range(1, len(seconds) + 1) if rank >= share * len(seconds))
        place = histogram.place(sorted(seconds)[rank - 1])

        told = histogram.quantile(classes_of(*seconds), share)

        assert [0, *histogram.EDGES][place] <= told <= [*histogram.EDGES, histogram.EDGES[-1]][place]


class TestAdd:
    def test_sums_class_by_class_and_takes_none_as_nothing(self):
        one, other = classes_of(1, 5), classes_of(5, 70)

        assert histogram.add(one, other) == classes_of(1, 5, 5, 70)
        assert histogram.add([], one) == one
        assert histogram.add(one, []) == one
