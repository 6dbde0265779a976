"""D33, D36, D52: what happened is said from all that is known, and the cause comes before the advice."""

from __future__ import annotations

import re

import pytest
from django.utils import translation

from cmc_webhooks import models
from cmc_webhooks.bounce_codes import BOUNCE_CODES
from tests.admin.conftest import browser_of
from tests.conftest import bounce, delivery

pytestmark = pytest.mark.django_db

REFUSED = {
    "en": "The recipient's server refused the mail.",
    "ja": "宛先のサーバーが受け取りを拒否しました。",
}
SENTENCES = {
    "1": ("The domain of the address was not found.", "宛先のドメインが見つかりませんでした。"),
    "3": (
        "It could not be delivered before the resend period ended.",
        "再送期間内に配信できませんでした。",
    ),
    "9": (
        "The address is not valid; nothing was sent.",
        "アドレスの形式が正しくないため、送信されていません。",
    ),
    "10": ("Customers Mail Cloud did not send it.", "CMC が送信を停止しています。"),
    "11": ("Customers Mail Cloud did not send it.", "CMC が送信を停止しています。"),
}
REPLY = "550 5.7.1 [203.0.113.9] mass mailing restriction: " + "too many recipients at once " * 6


@pytest.fixture
def browser():
    return browser_of(is_staff=True, is_superuser=True)


def text_of(browser, path, language):
    with translation.override(language):
        page = browser.get(path).content.decode()
    return " ".join(re.sub(r"<[^>]*>", " ", page.replace("&#x27;", "'")).split())


def page_of(browser, language):
    mail = models.Mail.objects.get()
    return text_of(browser, f"/admin/cmc_webhooks/mail/{mail.pk}/change/", language)


class TestD33:
    @pytest.mark.parametrize("language", ["en", "ja"])
    @pytest.mark.parametrize("code", SENTENCES)
    @pytest.mark.parametrize("status", ["failed", "queued", None])
    @pytest.mark.parametrize("reason", ["host unknown", "550 refused"])
    def test_a_mail_that_no_server_refused(self, open_hook, browser, code, status, language, reason):
        if status:
            open_hook.send("deliveries", delivery(status=status, reason=reason), api_key=None)
        open_hook.send("bounces", bounce(status=code, reason=reason), api_key=None)

        page = page_of(browser, language)

        assert SENTENCES[code][language == "ja"] in page
        assert REFUSED[language] not in page
        others = {pair[language == "ja"] for pair in SENTENCES.values()} - {SENTENCES[code][language == "ja"]}
        assert [other for other in others if other in page] == []

    @pytest.mark.parametrize("language", ["en", "ja"])
    @pytest.mark.parametrize("code", sorted(BOUNCE_CODES.keys() - SENTENCES.keys()))
    @pytest.mark.parametrize(
        ("reason", "is_reply"),
        [
            (REPLY, True),
            ("421 4.7.0 try again later", True),
            ("smtp; 552 5.2.2 mailbox full", True),
            ("host mx.example.jp[192.0.2.1] said: 554 5.7.1 no", True),
            ("550", True),
            ("", False),
            ("unknown error", False),
            ("250 2.0.0 ok", False),
        ],
    )
    def test_a_mail_that_a_server_refused(self, open_hook, browser, code, language, reason, is_reply):
        open_hook.send("deliveries", delivery(status="failed", reason=reason), api_key=None)
        open_hook.send("bounces", bounce(status=code, reason=reason), api_key=None)

        page = page_of(browser, language)

        assert (REFUSED[language] in page) is is_reply
        assert not any(sentence in page for pair in SENTENCES.values() for sentence in pair)

    @pytest.mark.parametrize("code", SENTENCES)
    def test_a_mail_that_was_delivered_before(self, open_hook, browser, code):
        """No sentence says that a server accepted what was never sent."""
        open_hook.send("deliveries", delivery(status="succeeded", reason="250 ok"), api_key=None)
        open_hook.send("bounces", bounce(status=code, reason=""), api_key=None)

        summary = page_of(browser, "en").partition("Timeline")[0]

        assert "returned it later" not in summary

    def test_a_failed_mail_without_a_bounce(self, open_hook, browser):
        open_hook.send("deliveries", delivery(status="failed", reason=REPLY), api_key=None)

        assert REFUSED["en"] in page_of(browser, "en")


class TestD36:
    @pytest.fixture(autouse=True)
    def _refused(self, open_hook):
        open_hook.send("deliveries", delivery(status="failed", reason=REPLY), api_key=None)
        open_hook.send("bounces", bounce(status="4", reason=REPLY), api_key=None)

    def test_the_list_shows_the_answer(self, browser):
        page = text_of(browser, "/admin/cmc_webhooks/mail/", "en")

        assert REPLY[:60] in page
        assert "check SPF" not in page
        shown = re.search(r"550 5\.7\.1 .*?…", page)[0]
        assert shown[:-1] in REPLY
        assert REPLY[len(shown) - 1] == " "

    def test_the_page_shows_it_once_and_before_the_advice(self, browser):
        page = page_of(browser, "en")

        assert page.count(REPLY[:60]) == 1
        assert page.index(REPLY[:60]) < page.index("check SPF") < page.index("Timeline")


class TestD52:
    @pytest.mark.parametrize(
        ("language", "text"),
        [("en", "Code 42, which CMC does not document"), ("ja", "CMC の資料にないコード 42")],
    )
    def test_an_unknown_code_says_so(self, open_hook, browser, language, text):
        open_hook.send("bounces", bounce(status="42", reason=""), api_key=None)

        assert text in page_of(browser, language)
