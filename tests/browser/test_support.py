"""What support staff do in a real browser: find a mail, read why, follow, filter, export; wide and narrow."""

from __future__ import annotations

import csv
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from cmc_webhooks import ingest, statistics, wire
from tests.browser.conftest import DESKTOP, PHONE
from tests.conftest import bounce, delivery, notification

pytestmark = pytest.mark.django_db(transaction=True)

REASON = "550 5.1.1 <hanako@example.jp>: Recipient address rejected: User unknown in local recipient table"
HOSTILE = "<script>alert(1)</script>{{ 7*7 }}{% now %}javascript:alert(1)<img src=x onerror=alert(1)>"


def at(moment):
    """As CMC writes it, in the zone of its console."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}"


def receive(moment, event_type, *events):
    ingest.receive(wire.decode(notification(event_type, *events)), received_at=moment)


@pytest.fixture
def history():
    """Thirty days of mails, among them one to two people of whom one does not exist, and one hostile."""
    now = timezone.now().replace(microsecond=0)
    for days in range(30):
        day = now - timedelta(days=days)
        names = [f"<d{days}-{n}@shop.example.jp>" for n in range(4 + days % 7)]
        to = [("example.jp", "docomo.example", "gmail.example")[n % 3] for n in range(len(names))]
        sent = [{"to": f"user{n}@{domain}", "subject": "ご注文の確認"} for n, domain in enumerate(to)]
        receive(
            day, "deliveries", *(delivery(m, created=at(day), **s) for m, s in zip(names, sent, strict=True))
        )
        later = day + timedelta(seconds=3 + days)
        receive(
            later,
            "deliveries",
            *(
                delivery(m, created=at(later), status="failed" if n == 3 else "succeeded", **s)
                for n, (m, s) in enumerate(zip(names, sent, strict=True))
            ),
        )
        receive(later, "bounces", bounce(names[0], created=at(later), status=str(1 + days % 9), **sent[0]))
    both = {"subject": "【重要】ご予約内容の確認（山田様・鈴木様）", "apiData": "booking-20314"}
    begin = now - timedelta(hours=3)
    for name in ("hanako", "taro"):
        receive(
            begin,
            "deliveries",
            delivery("<b1@shop.example.jp>", to=f"{name}@example.jp", created=at(begin), **both),
        )
    end = begin + timedelta(seconds=3)
    ok = delivery("<b1@shop.example.jp>", to="taro@example.jp", status="succeeded", created=at(end), **both)
    bad = delivery(
        "<b1@shop.example.jp>", to="hanako@example.jp", status="failed", reason=REASON, created=at(end),
        sourceIp="192.0.2.10", senderIp="198.51.100.7", **both,
    )  # fmt: skip
    receive(end, "deliveries", ok, bad)
    receive(
        end,
        "bounces",
        bounce("<b1@shop.example.jp>", to="hanako@example.jp", reason=REASON, created=at(end), **both),
    )
    receive(
        now, "bounces",
        bounce(f"<{HOSTILE}@x>", to=f"{HOSTILE}@evil.example", subject=HOSTILE, reason=HOSTILE,
               apiData=HOSTILE, created=at(now), further=HOSTILE),
    )  # fmt: skip
    statistics.roll_up("default")


@pytest.fixture(params=["desktop", "phone"])
def size(request):
    return {"desktop": DESKTOP, "phone": PHONE}[request.param]


@pytest.fixture(params=["light", "dark"])
def scheme(request):
    return request.param


@pytest.fixture
def open_page(live_server, chromium, history):
    """Opens pages for a superuser; fails at the end if the browser complained of anything."""
    User.objects.create_superuser("support", password="support")
    complaints, contexts = [], []

    def listen(message):
        if message.type in ("error", "warning") and not message.location["url"].endswith("/favicon.ico"):
            complaints.append(message.text)

    def make(size=DESKTOP, scheme="light", locale="en-US"):
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, locale=locale,
            accept_downloads=True,
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message) or dialog.dismiss())
        answer = page.goto(live_server.url + reverse("admin:cmc_webhooks_mail_changelist"))
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        page.fill("#id_username", "support")
        page.fill("#id_password", "support")
        page.click("[type=submit]")
        page.wait_for_selector("#changelist")
        return page

    yield make
    for context in contexts:
        context.close()
    assert complaints == []


def no_sideways(page):
    """Nothing sticks out of the window to the right."""
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")


def search(page, text):
    page.fill("#searchbar", text)
    page.press("#searchbar", "Enter")
    page.wait_for_load_state()


class TestSupport:
    def test_finds_out_why_a_mail_did_not_arrive(self, open_page, size, scheme, pictures):
        page = open_page(size, scheme)
        name = f"{'phone' if size == PHONE else 'desktop'}-{scheme}"
        page.screenshot(path=pictures / f"list-{name}.png")
        assert no_sideways(page)

        search(page, "Hanako <HANAKO@example.jp>")
        assert "Looked for the address" in page.inner_text("main")
        page.screenshot(path=pictures / f"search-{name}.png")
        page.click("#result_list a:has-text('hanako@example.jp')")

        text = page.inner_text("main")
        assert "Unknown user" in text
        assert "Ask for another address" in text
        assert "3 s later" in text
        assert REASON in text
        assert "192.0.2.10" in text
        assert no_sideways(page)
        page.screenshot(path=pictures / f"mail-{name}.png", full_page=True)
        if (size, scheme) == (DESKTOP, "light"):
            page.screenshot(path=pictures / "mail.png")  # the README's

        page.click("section:has-text('Other recipients') a:has-text('taro@example.jp')")
        assert "Succeeded" in page.inner_text(".cmc-summary").title()

    def test_reads_japanese(self, open_page, pictures):
        page = open_page(locale="ja-JP")

        search(page, "hanako@example.jp")
        assert "アドレス「hanako@example.jp」を探しました" in page.inner_text("main")
        assert "不達" in page.inner_text("#result_list")
        page.click("#result_list a:has-text('hanako@example.jp')")
        page.screenshot(path=pictures / "mail-japanese.png", full_page=True)

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

    def test_opens_a_number_of_the_overview(self, open_page, size, scheme, pictures):
        page = open_page(size, scheme)
        page.click("text=Overview")
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
        page.click("text=Overview")

        page.locator(".cmc-chart a").last.click()
        page.wait_for_url("**/mail/?from=*")

        assert page.locator("#result_list tbody tr").count() > 0

    def test_reads_the_chart_as_a_table_by_keyboard(self, open_page):
        page = open_page()
        page.click("text=Overview")
        page.locator(".cmc-table summary").focus()
        page.keyboard.press("Enter")

        page.locator(".cmc-table td a").last.focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/mail/?from=*")

        assert page.locator("#result_list tbody tr").count() > 0

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
        assert {row["status"] for row in rows} == {"failed"}
        assert rows[0]["subject"] == "ご注文の確認"

    def test_copies_an_id(self, open_page):
        page = open_page()
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        search(page, "hanako@example.jp")
        page.click("#result_list a:has-text('hanako@example.jp')")

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


class TestAccessibility:
    @pytest.mark.parametrize("where", ["mail/", "mail/overview/", "bounceevent/", "", "a mail"])
    def test_has_no_serious_fault(self, open_page, axe, where, size, scheme):
        page = open_page(size, scheme)
        if where == "a mail":
            search(page, "hanako@example.jp")
            page.click("#result_list a:has-text('hanako@example.jp')")
        else:
            page.goto(page.url.split("/mail/")[0] + f"/{where}")

        page.evaluate(axe)
        found = page.evaluate("axe.run(document.querySelector('main') || document)")

        serious = [
            (each["id"], [node["html"][:200] for node in each["nodes"]][:3])
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
        ]
        assert serious == []
