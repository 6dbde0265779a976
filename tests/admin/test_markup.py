from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.contrib.admin import AdminSite, site

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
