from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmc_webhooks.alerts import rates
from cmc_webhooks.alerts.rates import Cell, Counts, Finding, History, Series, Usual

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
STEADY = History([Counts(1000, 20)] * 28, Counts(10_000, 200))
"""1,000 mails a day of which 2 % are refused, every day."""
LOOSE = History([Counts(1000, 5), Counts(1000, 35)] * 14, Counts(10_000, 200))

counts = st.integers(0, 3000).flatmap(lambda mails: st.builds(Counts, st.just(mails), st.integers(0, mails)))
histories = st.builds(History, st.lists(counts, max_size=28), counts)


def window(*parts):
    """The cells of (composition, domain, outcome, number)."""
    return {Cell(*names): number for *names, number in parts}


class TestIsUnusual:
    @pytest.mark.parametrize(
        ("counts", "history", "series", "expected"),
        [
            pytest.param(Counts(167, 140), STEADY, 60, True, id="a carrier refuses 84 %"),
            pytest.param(Counts(20, 17), STEADY, 60, True, id="the same of the fewest mails"),
            pytest.param(Counts(19, 19), STEADY, 60, False, id="too few mails"),
            pytest.param(Counts(1000, 69), STEADY, 1, False, id="less than five points"),
            pytest.param(Counts(1000, 250), STEADY, 60, True, id="a quarter instead of 2 %"),
            pytest.param(Counts(1000, 20), STEADY, 1, False, id="as usual"),
            pytest.param(Counts(1000, 0), STEADY, 1, False, id="better than usual"),
            pytest.param(Counts(0, 0), STEADY, 1, False, id="no mail"),
            pytest.param(Counts(1_000_000, 840_000), STEADY, 60, True, id="many mails"),
            pytest.param(Counts(1_000_000, 20_000), STEADY, 60, False, id="many mails as usual"),
            pytest.param(Counts(20, 3), LOOSE, 60, False, id="three of twenty may be chance"),
            pytest.param(
                Counts(1000, 560),
                History([Counts(1000, 300)] * 28),
                60,
                False,
                id="less than twice the usual",
            ),
            pytest.param(
                Counts(1000, 250),
                History([Counts(1000, 10), Counts(1000, 10), Counts(1000, 240)] * 9),
                60,
                False,
                id="days like this were seen before",
            ),
            pytest.param(
                Counts(100, 84), History([], Counts(10_000, 200)), 60, True, id="no history, the rest is well"
            ),
            pytest.param(
                Counts(100, 50),
                History([], Counts(10_000, 4000)),
                60,
                False,
                id="no history, the rest is bad",
            ),
        ],
    )
    def test_follows_the_table(self, counts, history, series, expected):
        assert rates.is_unusual(counts, rates.usual(history), series) is expected

    @given(histories, st.integers(20, 3000), st.data())
    def test_more_refused_mails_are_never_less_unusual(self, history, mails, data):
        fewer = data.draw(st.integers(0, mails))
        more = data.draw(st.integers(fewer, mails))
        known = rates.usual(history)

        assert rates.is_unusual(Counts(mails, more), known) >= rates.is_unusual(Counts(mails, fewer), known)

    @given(histories, counts, st.integers(1, 500), st.integers(1, 500))
    def test_more_series_never_raise_more_alarms(self, history, counts, one, other):
        known = rates.usual(history)
        few, many = sorted((one, other))

        assert rates.is_unusual(counts, known, many) <= rates.is_unusual(counts, known, few)

    @given(histories, counts)
    def test_an_alarm_has_the_least_numbers(self, history, counts):
        known = rates.usual(history)

        if rates.is_unusual(counts, known):
            assert counts.mails >= 20
            assert counts.rate >= 2 * known.rate
            assert counts.rate >= known.rate + 0.05

    @given(st.integers(1, 300), st.floats(0.001, 0.5), st.floats(0.001, 0.5), st.data())
    def test_chance_is_that_of_the_distribution(self, mails, rate, spread, data):
        refused = data.draw(st.integers(0, mails))
        size = 1 / spread - 1

        def chance(number):
            a, b = rate * size, (1 - rate) * size
            beta = math.lgamma(number + a) + math.lgamma(mails - number + b) - math.lgamma(mails + a + b)
            beta -= math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
            return math.comb(mails, number) * math.exp(beta)

        expected = math.fsum(map(chance, range(refused, mails + 1)))
        found = rates._tail(Counts(mails, refused), Usual(rate, spread))

        assert math.isclose(found, min(expected, 1), rel_tol=1e-6, abs_tol=1e-9)


class TestUsual:
    @given(st.lists(counts, max_size=28), counts, st.randoms())
    def test_does_not_depend_on_the_order_of_the_days(self, days, rest, random):
        mixed = random.sample(days, len(days))

        one, other = rates.usual(History(days, rest)), rates.usual(History(mixed, rest))

        assert one == pytest.approx(other)

    @given(histories)
    def test_is_a_rate_and_a_spread(self, history):
        known = rates.usual(history)

        assert 0 < known.rate < 1
        assert 0 < known.spread <= 0.5

    def test_of_days_that_differ_is_wider(self):
        even = rates.usual(STEADY)
        uneven = rates.usual(History([Counts(1000, 0), Counts(1000, 0), Counts(1000, 60)] * 9, STEADY.rest))

        assert uneven.rate == pytest.approx(even.rate, rel=0.01)
        assert uneven.spread > 1.5 * even.spread

    def test_days_without_mail_say_nothing(self):
        assert rates.usual(History([*STEADY.days, Counts()], STEADY.rest)) == rates.usual(STEADY)


WELL = window(("pro", "a.jp", "", 300), ("pro", "a.jp", "hard", 6), ("news", "b.jp", "", 300))


def same(history=STEADY):
    return lambda series: history


class TestFindings:
    def test_reports_a_domain_and_not_its_composition(self):
        cells = WELL | window(("pro", "docomo.ne.jp", "", 27), ("pro", "docomo.ne.jp", "policy", 140))

        found = rates.findings(cells, same(), 28)

        [finding] = found.reported
        assert finding == Finding(Series(domain="docomo.ne.jp"), 167, 140, pytest.approx(0.02, rel=0.05))

    def test_reports_a_composition_and_not_its_domains(self):
        cells = window(
            *(("pro", f"{name}.jp", "", 20) for name in "abcdefgh"),
            *(("pro", f"{name}.jp", "policy", 80) for name in "abcdefgh"),
            ("news", "a.jp", "", 10),
        )

        found = rates.findings(cells, same(), 28)

        assert [each.series for each in found.reported] == [Series("pro")]
        assert Series(domain="b.jp") in found.unusual

    def test_reports_a_composition_whose_domains_are_small(self):
        cells = WELL | window(
            *(("pro", f"{number}.jp", "", 5) for number in range(60)),
            *(("pro", f"{number}.jp", "hard", 5) for number in range(60)),
        )

        found = rates.findings(cells, same(), 28)

        assert [each.series for each in found.reported] == [Series("pro")]

    def test_reports_a_class_if_its_composition_is_not_unusual(self):
        often = History([Counts(1000, 150)] * 28)
        rarely = History([Counts(1000, 1)] * 28)
        cells = window(
            *(("pro", f"{number}.jp", "", 8) for number in range(100)),
            *(("pro", f"{number}.jp", "policy", 2) for number in range(100)),
        )

        found = rates.findings(cells, lambda series: rarely if series.bounce_class else often, 28)

        assert [each.series for each in found.reported] == [Series("pro", "policy")]

    def test_reports_two_causes_apart(self):
        cells = WELL | window(
            ("pro", "docomo.ne.jp", "policy", 140),
            *(("news", f"{number}.jp", "hard", 9) for number in range(60)),
        )

        found = rates.findings(cells, same(), 28)

        assert {each.series for each in found.reported} == {Series("news"), Series(domain="docomo.ne.jp")}

    @pytest.mark.parametrize("days", [0, 6])
    def test_reports_nothing_before_a_week_is_known(self, days):
        cells = window(("pro", "docomo.ne.jp", "policy", 140))

        assert rates.findings(cells, same(), days).reported == []

    def test_says_nothing_of_mails_without_a_domain(self):
        cells = WELL | window(("pro", "", "hard", 25))

        found = rates.findings(cells, same(), 28)

        assert not any(series.domain for series in found.unusual)
        assert found.reported == []

    @given(
        st.dictionaries(
            st.builds(
                Cell,
                st.sampled_from(["", "pro", "news"]),
                st.sampled_from(["", "a.jp", "b.jp", "c.jp"]),
                st.sampled_from(["", "hard", "soft", "failed"]),
            ),
            st.integers(0, 500),
        ),
        histories,
    )
    def test_reports_only_what_is_unusual_and_a_candidate(self, cells, history):
        found = rates.findings(cells, same(history), 28)

        assert {each.series for each in found.reported} <= set(found.unusual) <= set(rates.candidates(cells))
        assert bool(found.reported) == bool(found.unusual)


class TestResolved:
    @pytest.mark.parametrize(
        ("hours", "expected"), [(0, False), (23.9, False), (24, True), (50, True), (-48, True)]
    )
    def test_after_a_whole_window(self, hours, expected):
        assert rates.resolved(NOW - timedelta(hours=hours), NOW) is expected
