"""The rate alert over simulated months: `benchmarks.alerts` with fewer of them."""

from __future__ import annotations

import pytest

from benchmarks import alerts
from cmc_webhooks.alerts import rates
from cmc_webhooks.alerts.rates import Series

MOST_A_MONTH = 0.2
CARRIER = "d2.example"
FIRST = (rates.HISTORY_DAYS + 2 + 12) * alerts.HOURS + 9


class TestSimulation:
    def test_of_usual_months_has_hardly_any_alarm(self):
        found = [alarm for seed in (1, 2) for alarm in alerts.simulate(seed, 3)]

        assert len(found) <= MOST_A_MONTH * 6, found

    @pytest.mark.parametrize("seed", [5, 6])
    def test_a_carrier_that_refuses_84_percent_is_raised_once_and_resolved_once(self, seed):
        fault = alerts.Fault(CARRIER, FIRST, FIRST + 12, 0.84)
        first_over = []

        def note(watch):
            sums = rates._sums(watch.window).series
            series = Series(domain=CARRIER)
            tested = sum(counts.mails >= rates.FEWEST_MAILS for counts in sums.values())
            if watch.hour > FIRST and rates.is_unusual(
                sums[series], rates.usual(watch.history(series)), tested
            ):
                first_over.append(watch.hour)

        found = alerts.simulate(seed, 1, [fault], note)

        [alarm] = [each for each in found if each.series == Series(domain=CARRIER)]
        assert alarm.raised == first_over[0]
        assert alarm.raised - FIRST <= 8
        assert first_over[-1] + 24 == alarm.resolved
        assert len(found) == 1
