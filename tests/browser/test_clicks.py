"""How many clicks an everyday question takes from the admin's index. Enter after typing is no click."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests.browser.conftest import REASON, follow

pytestmark = pytest.mark.django_db(transaction=True)


class Counting:
    """A page that counts clicks."""

    def __init__(self, page, root):
        self.page, self.clicks = page, 0
        page.goto(root + reverse("admin:index"))

    def click(self, selector):
        self.clicks += 1
        follow(self.page, selector)

    def list(self, name):
        self.click(f".app-cmc_webhooks .model-{name} th a")

    def type(self, text):
        """Type into the field that has the focus."""
        self.page.keyboard.insert_text(text)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def text(self, selector="#content"):
        return self.page.inner_text(selector)


@pytest.fixture
def counting(open_page, live_server):
    return Counting(open_page(), live_server.url)


class TestClicks:
    def test_what_became_of_the_mail_to_an_address_and_why(self, counting):
        counting.list("mail")
        counting.type("hanako@example.jp")
        assert REASON[:20] in counting.text("#result_list")  # why: no click more
        counting.click("#result_list a:has-text('hanako@example.jp')")

        assert REASON in counting.text()
        assert counting.clicks == 2

    def test_a_mail_by_a_word_of_its_subject(self, counting):
        counting.list("mail")
        counting.type("ご予約")
        assert "in the subjects of the past 31 days" in counting.text()
        counting.click("#result_list a:has-text('taro@example.jp')")

        assert "booking-20314" in counting.text()
        assert counting.clicks == 2

    def test_how_a_campaign_fared(self, counting):
        counting.list("mail")
        counting.type("booking-")
        assert "50 %" in counting.text(".cmc-shares")
        counting.click(".cmc-shares a >> nth=0")

        assert counting.page.locator("#result_list tbody tr").count() == 1
        assert counting.clicks == 2

    def test_whether_the_webhook_is_all_right(self, counting):
        counting.click("#content-main caption a:has-text('Customers Mail Cloud')")

        assert counting.page.locator(".cmc-unusual, .cmc-well").count()
        assert counting.clicks == 1

    def test_an_address_that_is_suppressed_is_released(self, decisions, counting):
        counting.list("mail")
        counting.type("full@example.jp")
        counting.click(".cmc-statement button[formaction$='/release/']")
        counting.click("#content form [type=submit]")

        assert counting.page.locator(".messagelist .success").count() == 1
        assert counting.clicks == 3

    def test_the_bounces_of_last_month(self, counting, tmp_path):
        counting.list("bounceevent")
        counting.click("#changelist-filter a:has-text('Last month')")
        assert "since=last-month" in counting.page.url
        with counting.page.expect_download() as download:
            counting.page.click("text=Export as CSV")
            counting.clicks += 1

        assert "bounce" in download.value.suggested_filename
        assert counting.clicks == 3
