"""D44 and D52: lists show many rows, and no page is wider than the window, with the longest values too."""

from __future__ import annotations

import pytest
from django.utils import timezone

from cmc_webhooks import suppression
from tests.browser.conftest import DESKTOP, PAGES, at, follow, no_sideways, receive, search, visit
from tests.conftest import bounce, delivery

pytestmark = pytest.mark.django_db(transaction=True)

WIDTHS = (390, 1024, 1280)
FEWEST_ROWS = 14
LISTS = (
    *("mail", "deliveryevent", "bounceevent", "blockevent", "notification", "rejectedevent"),
    *("pendingsignal", "suppression", "alert", "trail"),
)
LONG = "x" * 280


@pytest.fixture
def longest(decisions):
    """A mail whose id, address and texts are as long as they may be, without a place to break them."""
    now = timezone.now()
    values = {
        "to": f"{'y' * 200}@{'z' * 40}.example",
        "subject": LONG,
        "apiData": LONG,
        "reason": f"550 {LONG}",
    }
    receive(now, "deliveries", delivery(f"<{LONG}@x>", status="failed", created=at(now), **values))
    receive(now, "bounces", bounce(f"<{LONG}@x>", created=at(now), **values))


def rows(page):
    """The rows of a list that are whole within the window."""
    return page.evaluate(
        "[...document.querySelectorAll('#result_list tbody tr')]"
        ".filter(row => row.getBoundingClientRect().bottom <= innerHeight).length"
    )


def cut_off(page):
    """Columns whose right edge lies outside of what holds the list."""
    return page.evaluate(
        """() => {
            const end = document.querySelector(".results")?.getBoundingClientRect().right + 1;
            return [...document.querySelectorAll("#result_list tbody tr:first-child > *")]
                .filter(cell => cell.getBoundingClientRect().right > end).map(cell => cell.className);
        }"""
    )


class TestWidths:
    @pytest.mark.parametrize("locale", ["en-US", "ja-JP"])
    def test_no_page_is_wider_than_the_window(self, open_page, longest, locale):
        page, wide = open_page(locale=locale), []

        for where in (*PAGES, "alert/", "trail/", "longest"):
            if where == "longest":
                visit(page, "mail/?status=bounced")
                follow(page, f"#result_list a:has-text('{'y' * 20}')")
            else:
                visit(page, where)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": DESKTOP[1]})
                if not no_sideways(page) or cut_off(page):
                    wide.append((where, width, cut_off(page)))
            page.set_viewport_size(dict(zip(("width", "height"), DESKTOP, strict=True)))

        assert wide == []


class TestLists:
    @pytest.mark.parametrize("locale", ["en-US", "ja-JP"])
    @pytest.mark.parametrize("asked", ["", "?status=bounced"])
    def test_show_many_mails_at_once(self, open_page, longest, pictures, locale, asked):
        page = open_page(locale=locale)

        page.goto(f"{page.url}{asked}")

        page.screenshot(path=pictures / f"rows-{locale}-{asked[8:] or 'all'}.png")
        assert rows(page) >= FEWEST_ROWS

    def test_have_two_lines_a_row(self, open_page, longest):
        page, high = open_page(), {}

        for name in LISTS:
            visit(page, f"{name}/")
            found = page.evaluate(
                "[...document.querySelectorAll('#result_list tbody tr')].map(row => row.offsetHeight)"
            )
            high[name] = [height for height in found if height > 46]

        assert {name: found for name, found in high.items() if found} == {}

    def test_name_a_verdict_whole(self, open_page, history):
        suppression.block("hanako@example.jp", note="")
        page = open_page()
        search(page, "hanako@example.jp")

        note = page.locator("#result_list .cmc-note")

        assert note.inner_text() == "suppressed"
        assert note.get_attribute("title") == "Not written to: blocked by hand."
        assert note.evaluate("each => each.scrollWidth <= each.clientWidth + 1")
        box, cell = note.bounding_box(), page.locator("#result_list .field-why").bounding_box()
        assert box["x"] + box["width"] <= cell["x"] + cell["width"]

    def test_choose_rows_by_one_box_and_between_two(self, open_page):
        page = open_page()
        chosen = page.locator("#result_list .action-select:checked")

        page.click("#action-toggle")
        assert page.inner_text(".cmc-selected") == "Selected: 100"
        page.click("#action-toggle")
        assert chosen.count() == 0
        page.click("#result_list .action-select >> nth=1")
        page.click("#result_list .action-select >> nth=4", modifiers=["Shift"])

        assert chosen.count() == 4
        assert page.inner_text(".cmc-selected") == "Selected: 4"
