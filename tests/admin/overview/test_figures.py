from __future__ import annotations

from collections import Counter

import pytest
from django.contrib import admin

from cmc_webhooks.admin.overview import figures
from cmc_webhooks.admin.overview.links import Links
from cmc_webhooks.statistics import reports


@pytest.fixture
def links():
    return Links(admin.site, reports.Scope())


def changes(links, now, before):
    found = figures.cards({1: Counter(now)}, {1: Counter(before)}, links)
    return {str(figure.label): figure.change for figure in found}


class TestCards:
    def test_say_the_change_in_words_and_by_an_arrow(self, links):
        found = changes(links, {"succeeded": 90, "bounced": 30}, {"succeeded": 95, "bounced": 5})

        assert found == {
            "mails": "↑ 20 % more than before (100)",
            "succeeded": "↓ down from 95.0\xa0%",
            "bounced": "↑ up from 5.0\xa0%",
        }

    @pytest.mark.parametrize(
        ("now", "before", "text"),
        [
            (80, 100, "↓ 20 % fewer than before (100)"),
            (100, 100, "= about as many as before (100)"),
            (10_001, 10_000, "= about as many as before (10,000)"),
            (1000, 10, "↑ far more than before (10)"),
            (0, 10, "↓ 100 % fewer than before (10)"),
        ],
    )
    def test_of_all_mails_have_a_change_of_the_number(self, links, now, before, text):
        assert changes(links, {"succeeded": now}, {"succeeded": before})["mails"] == text

    def test_have_no_percentage_of_nothing(self, links):
        found = changes(links, {"succeeded": 5}, {})

        assert found == {"mails": "none before", "succeeded": "", "bounced": ""}

    def test_of_two_empty_periods_have_no_change(self, links):
        assert set(changes(links, {}, {}).values()) == {""}

    def test_of_equal_shares_are_as_before(self, links):
        assert changes(links, {"bounced": 1}, {"bounced": 1000})["bounced"] == "= as before"


class TestByOutcome:
    def test_joins_statuses_that_nobody_documents(self):
        assert figures.by_outcome({"bounced": 2, "odd": 1, "even": 3})["other"] == 4


class TestWorst:
    def domains(self, *numbers):
        return reports.Overview(
            domains=[
                reports.Domain(f"d{place}.example", mails, mails - failed, failed, 0)
                for place, (mails, failed) in enumerate(numbers)
            ]
        )

    def test_leaves_out_domains_of_a_few_mails(self, links):
        found = self.domains((1, 1), (figures.FEWEST_MAILS - 1, 4), (figures.FEWEST_MAILS, 1), (900, 3))

        assert [row.label for row in figures.worst(found, links)] == ["d3.example", "d2.example"]

    def test_is_not_filled_by_single_mails(self, links):
        found = self.domains(*[(1, 1)] * 50, (167, 140))

        assert [row.label for row in figures.worst(found, links)] == ["d50.example"]

    def test_has_ten_lines_at_most(self, links):
        assert len(figures.worst(self.domains(*[(50, 9)] * 30), links)) == 10
