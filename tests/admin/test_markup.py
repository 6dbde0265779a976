from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin import AdminSite, site
from django.utils import translation

from cmc_webhooks import models
from cmc_webhooks.admin import markup
from cmc_webhooks.status import BOUNCED, DeliveryStatus


class TestBadge:
    @pytest.mark.parametrize("status", [*DeliveryStatus.values, BOUNCED])
    def test_has_the_word_and_colours_of_a_known_status(self, status):
        assert f">{status}<" in markup.badge(status)
        assert "cmc-other" not in markup.badge(status)

    @pytest.mark.parametrize(
        ("status", "text"), [("expired", "expired"), ("", "no status"), ("<b>", "&lt;b&gt;")]
    )
    def test_shows_others_as_sent(self, status, text):
        assert markup.badge(status) == f'<span class="cmc-badge cmc-other">{text}</span>'


class TestMoment:
    def test_has_seconds_in_the_active_zone(self, settings):
        settings.TIME_ZONE = "Asia/Tokyo"

        shown = markup.moment(datetime(2023, 1, 25, 5, 6, 7, tzinfo=UTC))

        assert shown is not None
        assert ">2023-01-25 14:06:07<" in shown
        assert 'datetime="2023-01-25T14:06:07+09:00"' in shown

    def test_is_none_for_none(self):
        assert markup.moment(None) is None


class TestLink:
    KEY = "01a21144-fe55-8000-bd73-e56c701f7fd4"

    def test_leads_to_the_page_of_a_row(self):
        link = markup.link(site, models.Mail, self.KEY, "<b>")

        assert link == f'<a href="/admin/cmc_webhooks/mail/{self.KEY}/change/">&lt;b&gt;</a>'

    def test_is_text_alone_where_there_is_no_page(self):
        assert markup.link(AdminSite(), models.Mail, self.KEY, "<b>") == "&lt;b&gt;"


class TestTwoLines:
    def test_are_cut_short_and_escaped(self):
        lines = markup.two_lines("<b>", "x" * 100_000)

        assert "&lt;b&gt;" in lines
        assert len(lines) < 300 + markup.CUT

    def test_show_more_of_what_was_cut_in_a_tooltip(self):
        text = (
            "550 5.7.1 Our system has found that this message is likely unsolicited mail, so it was blocked"
        )

        lines = markup.two_lines("short", text)

        assert 'class="cmc-words">short<' in lines
        assert f'title="{text}"' in lines
        [shown] = re.findall(r">(550 .*)…<", lines)
        assert text.startswith(f"{shown} ")


class TestWhen:
    NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)

    @pytest.fixture(autouse=True)
    def _clock(self, settings, monkeypatch):
        settings.TIME_ZONE = "Asia/Tokyo"
        monkeypatch.setattr("cmc_webhooks.timezones.today", lambda: self.NOW.date())

    @pytest.mark.parametrize(
        ("language", "this_year", "before"),
        [
            ("en", "Nov 16, 02:21", "Nov 16, 2023, 02:21"),
            ("ja", "11月16日 02:21", "2023年11月16日 02:21"),
        ],
    )
    def test_is_as_people_write_it(self, language, this_year, before):
        moment = datetime(2026, 11, 15, 17, 21, 9, tzinfo=UTC)

        with translation.override(language):
            assert f">{this_year}<" in markup.when(moment)
            assert f">{before}<" in markup.when(moment.replace(year=2023))

    def test_has_seconds_and_zone_in_a_tooltip(self):
        shown = markup.when(datetime(2026, 11, 15, 17, 21, 9, tzinfo=UTC))

        assert 'title="2026-11-16 02:21:09 Asia/Tokyo"' in shown

    def test_is_none_for_none(self):
        assert markup.when(None) is None


class TestChanged:
    BEFORE = datetime(2026, 11, 15, 17, 21, 9, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("later", "written"),
        [({"hours": 1}, "18:21"), ({"days": 2}, "Nov 17"), ({"days": 800}, "Jan 23, 2029")],
    )
    def test_is_the_time_of_the_same_day_or_the_date(self, monkeypatch, later, written):
        monkeypatch.setattr("cmc_webhooks.timezones.today", lambda: self.BEFORE.date())

        assert f">{written}<" in markup.changed(self.BEFORE + timedelta(**later), self.BEFORE)

    def test_is_none_without_a_change(self):
        assert markup.changed(self.BEFORE, self.BEFORE) is None
        assert markup.changed(None, self.BEFORE) is None


class TestNote:
    def test_has_the_whole_sentence_in_a_tooltip(self):
        note = markup.note("bad", "suppressed", "Not written to: <b>.")

        assert note == '<span class="cmc-note cmc-bad" title="Not written to: &lt;b&gt;.">suppressed</span>'

    def test_stands_before_the_lower_text(self):
        lines = markup.two_lines("above", "below", markup.note("bad", "suppressed", "why"))

        assert re.sub("<[^>]*>", "|", lines).replace("|", "") == "abovesuppressedbelow"
