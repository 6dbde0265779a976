from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.contrib import admin

from cmc_webhooks.admin.overview import heat_map, periods
from cmc_webhooks.admin.overview.links import Links
from cmc_webhooks.statistics import reports
from cmc_webhooks.statistics.reports import DomainDay
from cmc_webhooks.timezones import DateRange

DAY = date(2026, 11, 29)
WEEK = DateRange(DAY - timedelta(days=6), DAY)


def overview(**domains):
    """Domains with the mails of each of their days, the last one last; most mails first."""
    found = reports.Overview()
    for name, days in domains.items():
        mails = sum(day.mails for day in days)
        found.domains.append(reports.Domain(f"{name}.example", mails, 0, 0, 0))
        found.days_of[f"{name}.example"] = {
            DAY - timedelta(days=number): day for number, day in enumerate(reversed(days))
        }
    found.domains.sort(key=lambda each: -each.mails)
    return found


def drawn(found, unusual=(), replies=None, days=WEEK):
    links = Links(admin.site, reports.Scope(days, "pro"))
    return heat_map.drawn(found, periods.slots(days), unusual, replies or {}, links)


class TestDomainsOf:
    def test_begins_with_the_unusual_whatever_their_size(self):
        found = overview(large=[DomainDay(900, 0)], small=[DomainDay(3, 3)])

        assert heat_map.domains_of(found, ["small.example"]) == ["small.example", "large.example"]

    def test_then_takes_the_largest(self):
        found = overview(**{f"d{number}": [DomainDay(100 + number, 0)] for number in range(40)})

        assert heat_map.domains_of(found, []) == [f"d{number}.example" for number in range(39, 27, -1)]

    def test_leaves_out_no_unusual_one(self):
        unusual = [f"u{number}.example" for number in range(20)]

        assert heat_map.domains_of(overview(), unusual) == unusual


class TestDrawn:
    def test_has_a_cell_for_each_day_with_its_link(self):
        row = drawn(overview(docomo=[DomainDay(50, 1), DomainDay(), DomainDay(167, 140)])).rows[0]

        assert [cell.text for cell in row.cells] == ["", "", "", "", "2", "", "84"]
        last = row.cells[-1]
        assert last.title == "docomo.example, 2026-11-29 (Sun): 140 of 167 mails not delivered (83.8 %)"
        assert last.url.endswith("?from=2026-11-29&to=2026-11-29&server_composition=pro&q=%40docomo.example")
        assert row.cells[0].url == ""
        assert row.share == "65.0 %"

    def test_has_weeks_above_90_days(self):
        days = DateRange(DAY - timedelta(days=99), DAY)

        row = drawn(overview(a=[DomainDay(10, 1)] * 100), days=days).rows[0]

        assert len(row.cells) == 15
        assert row.cells[-1].title.startswith("a.example, 2026-11-23 – 2026-11-29: 7 of 70 mails")
        assert "from=2026-11-23&to=2026-11-29" in row.cells[-1].url

    def test_ends_with_the_commonest_reply(self):
        found = drawn(
            overview(a=[DomainDay(9, 1)], b=[DomainDay(5, 0)]), ["b.example"], {"a.example": "550 no"}
        )

        assert [(row.domain, row.is_unusual, row.reply) for row in found.rows] == [
            ("b.example", True, ""),
            ("a.example", False, "550 no"),
        ]

    def test_names_weekdays_in_each_head(self):
        assert drawn(overview()).heads[0].lines == ("Mon", "Nov 23")
        month = drawn(overview(), days=DateRange(DAY - timedelta(days=29), DAY))
        assert [head.lines for head in month.heads[-2:]] == [("S", "28"), ("S", "29")]


class TestLevel:
    @pytest.mark.parametrize(
        ("mails", "refused", "level"),
        [(100, 0, 0), (100, 1, 1), (100, 2, 2), (100, 5, 3), (100, 10, 4), (100, 30, 5), (167, 140, 5)],
    )
    def test_rises_with_the_share(self, mails, refused, level):
        assert heat_map.level(DomainDay(mails, refused)) == level

    @pytest.mark.parametrize("mails", [1, 4])
    def test_of_a_few_mails_is_no_alarm(self, mails):
        assert heat_map.level(DomainDay(mails, mails)) == 1
