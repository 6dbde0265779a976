"""D41: what the admin's pages have in Django's own look, they have in the looks of others."""

from __future__ import annotations

import pytest

from tests.browser.conftest import no_sideways, search
from tests.themes.conftest import THEME

pytestmark = pytest.mark.django_db(transaction=True)


def sees(page, selector):
    """Whether each part is there and has a size, and lies within the window's width."""
    boxes = [each.bounding_box() for each in page.locator(selector).all()]
    width = page.viewport_size["width"]
    return bool(boxes) and all(
        box and box["width"] >= 8 and box["height"] >= 8 and box["x"] + box["width"] <= width + 1
        for box in boxes
    )


class TestTheme:
    """One test, because the history of a month takes longer to store than a page to look at."""

    def test_has_all_that_the_pages_have(self, page, pictures):
        start = page.url
        for part in (self.list_of_mails, self.question, self.mail, self.overview):
            page.goto(start)
            part(page, pictures)

    def list_of_mails(self, page, pictures):
        page.screenshot(path=pictures / f"theme-{THEME}-list.png")

        for selector in (
            "#changelist-filter a:has-text('past 7 days')",
            "#changelist-filter input[name=from]",
            ".object-tools :is(a, button)",
            "#searchbar",
            ".actions label",
            ".actions button",
            "#result_list tbody .cmc-badge",
        ):
            assert sees(page, selector), selector
        assert "208 in all" in page.inner_text(".cmc-paginator")
        assert no_sideways(page)

        first = page.inner_text("#result_list tbody th >> nth=0")
        page.click("text=Next page")
        page.wait_for_url("**cursor=*")
        assert page.inner_text("#result_list tbody th >> nth=0") != first

        page.click("#changelist-filter a:has-text('bounced')")
        page.wait_for_url("**status=bounced*")
        assert set(page.locator("#result_list .cmc-badge").all_inner_texts()) == {"bounced"}

        search(page, "hanako@example.jp")
        assert "status=bounced" in page.url
        assert page.locator("#result_list tbody tr").count() == 1

    def question(self, page, pictures):
        page.goto(f"{page.url}?status=failed")
        page.click("#action-toggle")
        assert page.inner_text(".cmc-selected") == "Selected: 30"
        page.click("#action-toggle")
        page.check("#result_list tbody input[type=checkbox] >> nth=0")
        page.select_option("[name=action]", "redeliver", force=True)

        page.click(".actions button")

        page.wait_for_selector(".cmc-buttons")
        page.screenshot(path=pictures / f"theme-{THEME}-question.png")
        assert sees(page, ".cmc-buttons input[type=submit]")
        assert "Send these signals again?" in page.inner_text("body")
        page.click(".cmc-buttons input[type=submit]")
        page.wait_for_selector("#result_list")
        assert "Sent again" in page.inner_text("body")

    def mail(self, page, pictures):
        search(page, "hanako@example.jp")
        page.click("#result_list tbody a >> nth=0")
        page.wait_for_selector(".cmc-summary")
        page.screenshot(path=pictures / f"theme-{THEME}-mail.png")

        assert sees(page, ".cmc-summary .cmc-badge, .cmc-timeline .cmc-badge, .cmc-statement button")
        assert sees(page, "button:has-text('Disclose')")
        assert no_sideways(page)

        page.click(".cmc-statement button:has-text('Block')")
        page.wait_for_selector("#id_note")
        assert "hanako@example.jp" in page.inner_text("body")

    def overview(self, page, pictures):
        page.click(".object-tools :is(a, button):has-text('overview')")
        page.wait_for_selector(".cmc-panel")
        page.screenshot(path=pictures / f"theme-{THEME}-overview.png")

        assert sees(page, ".cmc-figure, .cmc-chart")
        assert no_sideways(page)
        page.click(".cmc-figure a >> nth=0")
        page.wait_for_selector("#result_list")
