from __future__ import annotations

import re

import pytest

from cmc_webhooks.admin.overview import charts
from cmc_webhooks.admin.overview.periods import Slot
from cmc_webhooks.timezones import DateRange


def slots(number, label=("Mon", "Nov 23")):
    return [Slot(f"slot {place}", DateRange(), label) for place in range(number)]


def bar(now, before=None, url="/"):
    return charts.Bar(now, before, "title", url)


def of_look(chart, look):
    return [shape for shape in chart.shapes if shape.look == look]


class TestStacked:
    def part(self, number):
        return charts.Part(number, "good", "t", "/")

    def test_piles_parts_up_to_scale(self):
        drawn = charts.stacked(slots(3), [[self.part(1), self.part(3)], [], [self.part(0)]])

        assert [(box.x, box.width, box.y, box.height) for box in drawn.shapes] == [
            ("3.33%", "26.67%", "125.00", "35.00"),
            ("3.33%", "26.67%", "20.00", "105.00"),
        ]
        assert [mark.text for mark in drawn.scale] == ["0", "2", "4"]

    @pytest.mark.parametrize(
        ("number", "top"),
        [(0, 2), (2, 2), (3, 4), (5, 6), (11, 12), (410, 500), (1000, 1000), (1001, 1200), (94_575, 100_000)],
    )
    def test_has_a_scale_of_whole_halves(self, number, top):
        assert charts._nice(number) == top

    def test_is_filled_to_three_quarters_by_the_highest_bar(self):
        assert min(number / charts._nice(number) for number in range(7, 3000)) >= 0.75

    def test_is_empty_without_bars(self):
        assert charts.stacked([], []).shapes == []

    @pytest.mark.parametrize(("number", "values"), [(7, ["1,204"] * 7), (30, [])])
    def test_writes_numbers_where_they_have_room(self, number, values):
        drawn = charts.stacked(slots(number), [[self.part(1204)]] * number)

        assert [value.text for value in drawn.values] == values


class TestShares:
    def test_stand_before_wider_ones_of_the_period_before(self):
        drawn = charts.shares(slots(2), [bar(0.1, 0.05), bar(None, 0.1)])

        assert [shape.look for shape in drawn.shapes] == [
            *("cmc-before", "cmc-now", "cmc-target"),
            *("cmc-before", "cmc-target"),
        ]
        before, now, target = drawn.shapes[:3]
        assert [before.height, now.height, target.height] == ["70.00", "140.00", "140.00"]
        assert float(before.width[:-1]) > float(now.width[:-1])
        assert target.width == "50.00%"
        assert (target.title, target.url) == ("title", "/")

    @pytest.mark.parametrize(
        ("highest", "top"),
        [(0, "1 %"), (0.004, "1 %"), (0.06, "6 %"), (0.106, "12 %"), (0.84, "100 %"), (1, "100 %")],
    )
    def test_have_a_scale_that_they_fill(self, highest, top):
        assert charts.shares(slots(1), [bar(highest)]).scale[-1].text == top

    def test_that_are_small_are_seen(self):
        drawn = charts.shares(slots(2), [bar(0.0001), bar(1.0)])

        assert of_look(drawn, "cmc-now")[0].height == "2.00"

    def test_of_zero_have_a_number_but_no_bar(self):
        drawn = charts.shares(slots(1), [bar(0.0)])

        assert of_look(drawn, "cmc-now") == []
        assert [value.text for value in drawn.values] == ["0.0 %"]


class TestLatencies:
    def test_reach_from_the_median_up(self):
        drawn = charts.latencies(slots(2), [bar(10, 60), bar(None)])

        [span], [median] = of_look(drawn, "cmc-before"), of_look(drawn, "cmc-median")
        assert float(span.y) == charts.TOP
        assert float(span.y) + float(span.height) == pytest.approx(float(median.y) + 2)
        assert [mark.text for mark in drawn.scale] == ["1 s", "10 s", "1 min"]

    @pytest.mark.parametrize("seconds", [0, 0.5, 10**9])
    def test_stay_on_their_scale(self, seconds):
        for shape in charts.latencies(slots(1), [bar(seconds, seconds)]).shapes:
            assert charts.TOP - 4 <= float(shape.y) <= charts.TOP + charts.HEIGHT


class TestEveryChart:
    @pytest.mark.parametrize("draw", [charts.shares, charts.latencies])
    def test_has_labels_in_lines_below_its_bars(self, draw):
        drawn = draw(slots(2), [bar(0.5, 0.5)] * 2)

        assert [(label.x, label.text) for label in drawn.labels] == [
            ("25.00%", "Mon"), ("25.00%", "Nov 23"), ("75.00%", "Mon"), ("75.00%", "Nov 23"),
        ]  # fmt: skip
        assert max(float(label.y) for label in drawn.labels) <= drawn.height

    def test_is_formatted_for_svg_in_any_language(self, settings):
        settings.LANGUAGE_CODE = "de"

        drawn = charts.shares(slots(3), [bar(0.333, 0.2)] * 3)

        for shape in drawn.shapes:
            assert all(re.fullmatch(r"\d+\.\d\d%?", text) for text in shape[1:5])
