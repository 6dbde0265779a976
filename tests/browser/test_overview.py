"""The overview in a real browser: numbers lead to the list that they count, and one click to an answer."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from cmc_webhooks.statistics import rollup
from tests.browser.conftest import DESKTOP, PHONE, at, follow, no_sideways, receive
from tests.conftest import delivery
from tests.helpers import factories

pytestmark = pytest.mark.django_db(transaction=True)


class TestOverview:
    def test_opens_a_number_of_the_overview(self, open_page, size, scheme, pictures):
        page = open_page(size, scheme)
        follow(page, "text=Delivery overview")
        name = f"{'phone' if size == PHONE else 'desktop'}-{scheme}"
        page.screenshot(path=pictures / f"overview-{name}.png", full_page=True)
        assert no_sideways(page)

        figure = page.locator(".cmc-figure.cmc-returned")
        number = figure.locator(".cmc-number").inner_text()
        figure.locator("a").click()
        page.wait_for_url("**status=bounced*")
        page.wait_for_load_state()

        assert f"{number} in all" in page.inner_text("main")
        assert page.locator("#result_list tbody tr").count() == int(number)

    def test_opens_a_bar_of_the_chart(self, open_page):
        page = open_page()
        follow(page, "text=Delivery overview")

        page.locator(".cmc-mails a").last.click()
        page.wait_for_url("**/mail/?from=*")

        assert page.locator("#result_list tbody tr").count() > 0

    def test_reads_the_chart_as_a_table_by_keyboard(self, open_page):
        page = open_page()
        follow(page, "text=Delivery overview")
        page.locator(".cmc-table summary").first.focus()
        page.keyboard.press("Enter")

        page.locator(".cmc-table >> nth=0 >> td a").last.focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/mail/?from=*")

        assert page.locator("#result_list tbody tr").count() > 0


LEAST_HEIGHT = 10
"""Pixels of a text in a chart."""
REPLY = "550 5.7.1 Service unavailable; client host blocked by policy"


def heights(page, selector):
    """The heights of all elements, in pixels."""
    return page.eval_on_selector_all(selector, "all => all.map(one => one.getBoundingClientRect().height)")


class TestCharts:
    """D46: a picture is drawn for the size at which it is shown."""

    @pytest.mark.parametrize(
        ("period", "bars"), [("today", 24), ("7-days", 7), ("30-days", 30), ("365-days", 54)]
    )
    def test_are_readable_on_a_phone(self, open_page, live_server, history, period, bars):
        page = open_page(PHONE)
        page.goto(f"{live_server.url}{reverse('admin:cmc_webhooks_mail_overview')}?since={period}")

        assert min(heights(page, ".cmc-chart text")) >= LEAST_HEIGHT
        assert 0 < page.locator(".cmc-shares .cmc-target").count() <= bars
        assert len(page.content()) < 250_000
        assert no_sideways(page)

    def test_name_weekdays_and_units(self, open_page):
        page = open_page()
        follow(page, "text=Delivery overview")

        shown = page.locator(".cmc-shares text").all_text_contents()
        assert {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"} < set(shown)
        assert "% of mails" in shown

    def test_give_a_value_to_a_finger(self, open_page):
        page = open_page(PHONE)
        follow(page, "text=Delivery overview")

        page.locator(".cmc-shares .cmc-target").last.click()
        page.wait_for_url("**/mail/?from=*")

    @pytest.mark.parametrize("width", [DESKTOP, PHONE], ids=["desktop", "phone"])
    def test_stand_below_cards_of_one_height(self, open_page, width):
        page = open_page(width)
        follow(page, "text=Delivery overview")

        tops = page.eval_on_selector_all(
            ".cmc-figure a", "all => all.map(one => one.getBoundingClientRect().y)"
        )
        rows = dict.fromkeys(tops)
        for top, height in zip(tops, heights(page, ".cmc-figure a"), strict=True):
            rows.setdefault(top)
            assert rows[top] in (None, height)
            rows[top] = height
        lines = page.eval_on_selector_all(
            ".cmc-figure a", "all => all.map(one => getComputedStyle(one).textDecorationLine)"
        )
        assert set(lines) == {"none"}


class TestHeatMap:
    def test_opens_a_domain_on_a_day(self, open_page):
        page = open_page()
        follow(page, "text=Delivery overview")

        page.locator(".cmc-heat-map td a").last.click()
        page.wait_for_url(re.compile(r"/mail/\?from=.*&to=.*&q=%40"))

        assert page.locator("#result_list tbody tr").count() > 0

    def test_has_numbers_that_can_be_read(self, open_page, scheme):
        page = open_page(DESKTOP, scheme)
        follow(page, "text=Delivery overview")

        contrasts = page.eval_on_selector_all(
            ".cmc-heat-map td a",
            """all => all.map(one => {
                const light = text => {
                    const parts = text.match(/[0-9.]+/g).slice(0, 3).map(part => part / 255)
                        .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
                    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2] + 0.05;
                };
                const style = getComputedStyle(one);
                const both = [light(style.color), light(style.backgroundColor)].sort((a, b) => a - b);
                return both[1] / both[0];
            })""",
        )
        assert contrasts
        assert min(contrasts) >= 4.5


class TestClicks:
    """What support asks every day, counted from the admin's index and from the app's."""

    @pytest.fixture
    def bad_day(self):
        """One carrier refuses most of today's mail."""
        now = timezone.now()
        for days in range(14):
            day = now - timedelta(days=days)
            receive(
                day,
                "deliveries",
                *(
                    delivery(
                        f"<c{days}-{number}@shop.example.jp>", to=f"u{number}@docomo.ne.jp", created=at(day),
                        status="failed" if days == 0 and number else "succeeded",
                        reason=REPLY if days == 0 and number else "",
                    )
                    for number in range(25)
                ),
            )  # fmt: skip
        rollup.roll_up("default", fresh=timedelta())
        factories.AlertFactory(domain="docomo.ne.jp", answer=REPLY, raised_at=now, last_seen_at=now)

    def test_one_leads_from_the_admins_index_to_both(self, open_page, live_server, bad_day):
        page = open_page()
        page.goto(live_server.url + reverse("admin:index"))

        page.click("#content .app-cmc_webhooks caption a")
        page.wait_for_url("**/admin/cmc_webhooks/")

        shown = page.inner_text("#content")
        assert "docomo.ne.jp refused 140 of 167 mails in the past 24 hours" in shown
        assert f"Commonest answer: {REPLY}" in shown
        assert re.search(r"[↑↓=] .* before", shown)
        assert "compared with the 7 days before" in shown

    def test_one_leads_to_the_domain_that_refuses_today_and_its_words(self, open_page, live_server, bad_day):
        page = open_page()
        page.goto(live_server.url + reverse("admin:app_list", args=["cmc_webhooks"]))

        follow(page, "text=Delivery overview")
        page.wait_for_url("**/overview/")

        first = page.locator(".cmc-heat-map tbody tr").first
        assert first.locator("th a").inner_text() == "docomo.ne.jp"
        assert first.locator("td[class^=cmc-level] a").last.inner_text() == "96"
        assert first.locator(".cmc-reply").inner_text() == REPLY
        assert f"Commonest answer: {REPLY}" in page.locator(".cmc-unusual").inner_text()

    def test_one_leads_to_this_week_against_last(self, open_page, live_server, bad_day):
        page = open_page()
        page.goto(live_server.url + reverse("admin:app_list", args=["cmc_webhooks"]))

        follow(page, "text=Delivery overview")
        page.wait_for_url("**/overview/")

        assert page.locator(".cmc-periods [aria-current]").inner_text() == "Past 7 days"
        assert "compared with the 7 days before" in page.inner_text("#content")
        cards = page.locator(".cmc-change").all_inner_texts()
        assert re.match(r"[↑↓=] .* before", cards[0])
        assert any("up from" in card for card in cards)
