"""What support staff do in a real browser: find a mail, read why, follow, filter, export; wide and narrow."""

from __future__ import annotations

import csv
import re

import pytest

from tests.browser.conftest import DESKTOP, HOSTILE, PHONE, REASON, follow, no_sideways, search

pytestmark = pytest.mark.django_db(transaction=True)


class TestSupport:
    def test_finds_out_why_a_mail_did_not_arrive(self, open_page, size, scheme, pictures):
        page = open_page(size, scheme)
        name = f"{'phone' if size == PHONE else 'desktop'}-{scheme}"
        page.screenshot(path=pictures / f"list-{name}.png")
        assert no_sideways(page)

        search(page, "Hanako <HANAKO@example.jp>")
        assert "Looked for the address" in page.inner_text("main")
        page.screenshot(path=pictures / f"search-{name}.png")
        follow(page, "#result_list a:has-text('hanako@example.jp')")

        text = page.inner_text("main")
        assert "No such mailbox" in text
        assert "Ask for another address" in text
        assert "3 s later" in text
        assert REASON in text
        assert "192.0.2.10" in text
        assert no_sideways(page)
        page.screenshot(path=pictures / f"mail-{name}.png", full_page=True)
        if (size, scheme) == (DESKTOP, "light"):
            page.screenshot(path=pictures / "mail.png")  # the README's

        follow(page, "section:has-text('Other recipients') a:has-text('taro@example.jp')")
        assert "Succeeded" in page.inner_text(".cmc-summary").title()

    def test_reads_japanese(self, open_page, pictures):
        page = open_page(locale="ja-JP")

        search(page, "hanako@example.jp")
        assert "アドレス「hanako@example.jp」を探しました" in page.inner_text("main")
        assert "不達" in page.inner_text("#result_list")
        follow(page, "#result_list a:has-text('hanako@example.jp')")
        page.screenshot(path=pictures / "mail-japanese.png", full_page=True)
        page.screenshot(path=pictures / "mail-ja.png")  # the Japanese README's

        text = page.inner_text("main")
        assert "ユーザ不明" in text
        assert "3 秒後" in text
        assert "別のアドレスを確認してください" in text

    def test_filters_bounces_by_class(self, open_page):
        page = open_page()
        page.goto(page.url.split("/mail/")[0] + "/bounceevent/")

        page.click("#changelist-filter a:has-text('soft')")
        page.wait_for_url("**bounce_class=soft*")

        assert page.locator("#result_list tbody tr").count() > 0
        assert "31 days" in page.inner_text("main")

    def test_downloads_what_is_filtered(self, open_page, tmp_path):
        page = open_page()
        page.click("#changelist-filter a:has-text('failed')")
        page.wait_for_url("**status=failed*")
        page.wait_for_selector("#result_list tbody tr")
        shown = page.locator("#result_list tbody tr").count()

        with page.expect_download() as download:
            page.click("text=Export as CSV")
        download.value.save_as(tmp_path / "mails.csv")

        with (tmp_path / "mails.csv").open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == shown > 0
        assert {row["Status"] for row in rows} == {"Failed"}
        assert rows[0]["Subject"] == "ご注文の確認"

    def test_copies_an_id(self, open_page):
        page = open_page()
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        search(page, "hanako@example.jp")
        follow(page, "#result_list a:has-text('hanako@example.jp')")

        page.locator(".cmc-copy").last.click()

        assert page.evaluate("navigator.clipboard.readText()") == "<b1@shop.example.jp>"
        assert page.locator(".cmc-copy").last.inner_text() == "copied"

    def test_sees_hostile_text_as_it_is(self, open_page):
        page = open_page()

        search(page, "@evil.example")
        assert "<script>alert(1)</script>" in page.inner_text("#result_list")
        page.click("#result_list tbody tr a >> nth=0")
        page.wait_for_selector(".cmc-summary")

        text = page.inner_text("main")
        assert text.count(HOSTILE) >= 3
        assert page.locator("main script:not([src]), main img[src=x]").count() == 0

    def test_is_told_what_was_looked_for(self, open_page):
        page = open_page()

        search(page, "nobody@example.jp")

        assert re.search(r"Nothing found.*nobody@example\.jp", page.inner_text("main"), re.DOTALL)

    def test_finds_a_word_of_a_subject_within_days(self, open_page):
        page = open_page()
        page.click("#changelist-filter a:has-text('past 7 days')")
        page.wait_for_url("**since=7-days*")

        search(page, "ご予約")

        assert page.locator("#result_list tbody tr").count() == 2

    def test_releases_a_suppressed_address_and_blocks_it_again(self, open_page, decisions, size, pictures):
        page = open_page(size)
        search(page, "full@example.jp")
        assert "4 temporary bounces in a row" in page.inner_text(".cmc-statement")
        follow(page, "#result_list tbody a >> nth=0")
        assert "Send it again later" not in page.inner_text(".cmc-summary")

        follow(page, ".cmc-statement button:has-text('Release')")
        page.fill("#id_note", "she has made room")
        follow(page, "text=Yes, release it")
        assert "full@example.jp is released." in page.inner_text(".messagelist")
        assert "May be written to." in page.inner_text(".cmc-statement")
        assert "she has made room" in page.inner_text("main")

        follow(page, ".cmc-statement button:has-text('Block')")
        page.click("text=Today")  # its time is empty: the beginning of today has passed
        follow(page, "text=Yes, block it")
        assert "This date has passed." in page.inner_text("main")
        page.fill("#id_until_0", "2126-12-24")
        follow(page, "text=Yes, block it")
        assert "full@example.jp is blocked until 2126-12-24." in page.inner_text(".messagelist")
        assert no_sideways(page)

    def test_exports_the_suppressed_addresses(self, open_page, decisions):
        page = open_page()
        page.goto(page.url.split("/mail/")[0] + "/suppression/")
        follow(page, "text=Suppressed addresses")
        page.select_option("[name=reason]", "soft")
        page.click(".cmc-range [type=submit] >> nth=0")
        page.wait_for_url("**reason=soft*")

        with page.expect_download() as download:
            page.click("text=Export as CSV")

        text = download.value.path().read_text(encoding="utf-8-sig")
        found = {row["Address"]: row["All reasons"] for row in csv.DictReader(text.splitlines())}
        assert found["full@example.jp"] == "Temporary problems in a row"
        assert all("Temporary problems in a row" in reasons for reasons in found.values())
        assert "hanako@example.jp" not in found
