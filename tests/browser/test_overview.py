"""The overview in a real browser: each number leads to the list that it counts."""

from __future__ import annotations

import pytest

from tests.browser.conftest import DESKTOP, PHONE, no_sideways

pytestmark = pytest.mark.django_db(transaction=True)


class TestOverview:
    def test_opens_a_number_of_the_overview(self, open_page, size, scheme, pictures):
        page = open_page(size, scheme)
        page.click("text=Delivery overview")
        name = f"{'phone' if size == PHONE else 'desktop'}-{scheme}"
        page.screenshot(path=pictures / f"overview-{name}.png", full_page=True)
        if (size, scheme) == (DESKTOP, "light"):
            page.screenshot(path=pictures / "overview.png")  # the README's
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
        page.click("text=Delivery overview")

        page.locator(".cmc-chart a").last.click()
        page.wait_for_url("**/mail/?from=*")

        assert page.locator("#result_list tbody tr").count() > 0

    def test_reads_the_chart_as_a_table_by_keyboard(self, open_page):
        page = open_page()
        page.click("text=Delivery overview")
        page.locator(".cmc-table summary").focus()
        page.keyboard.press("Enter")

        page.locator(".cmc-table td a").last.focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/mail/?from=*")

        assert page.locator("#result_list tbody tr").count() > 0
