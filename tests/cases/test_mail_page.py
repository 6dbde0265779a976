"""D51: each fact once, the answer to "did she get it, and if not, why?" first."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone, translation

from cmc_webhooks import models
from tests.admin.conftest import browser_of
from tests.conftest import delivery
from tests.helpers import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser():
    return browser_of(is_staff=True, is_superuser=True)


def content_of(answer):
    return answer.content.decode().partition('id="content"')[2]


class TestD51:
    def test_subject_and_address_are_the_heading(self, browser):
        mail = factories.MailFactory(subject="ご予約の確認", recipient="hanako@example.jp")

        page = content_of(browser.open_page(mail))

        assert "<h1>ご予約の確認</h1>" in page
        assert "<h2>hanako@example.jp</h2>" in page
        assert "View mail" not in page

    def test_a_mail_without_a_subject_says_so(self, browser):
        page = content_of(browser.open_page(factories.MailFactory(subject="")))

        assert "<h1>Mail without a subject</h1>" in page

    def test_api_data_leads_to_all_mails_with_it(self, browser):
        mails = [factories.MailFactory(api_data="order 7/ü&b") for _ in range(3)]
        factories.MailFactory(api_data="order 8")

        [url] = re.findall(
            r'<dt>API data</dt><dd><a href="([^"]+)">', content_of(browser.open_page(mails[0]))
        )

        listed = browser.get(url.replace("&amp;", "&")).context["cl"].result_list
        assert {mail.pk for mail in listed} == {mail.pk for mail in mails}

    def test_field_sets_are_folded(self, browser):
        page = content_of(browser.open_page(factories.MailFactory()))

        details = re.findall(r"<details[^>]*>", page)
        assert page.count("<fieldset") == 3
        assert len(details) >= 3
        assert not any("open" in each for each in details)

    @pytest.mark.parametrize(
        ("language", "text"),
        [
            ("en", "Deferred 6 times, 04:35 to 04:29 the next day"),
            ("ja", "再送待ち 6 回（04:35～翌 04:29）"),
        ],
    )
    def test_many_deferrals_are_one_entry(self, browser, open_hook, settings, language, text):
        settings.TIME_ZONE = settings.CMC_WEBHOOKS_TIME_ZONE = "Asia/Tokyo"
        reply = "421 4.7.0 try again later"
        times = ["20 04:35:00", "20 09:00:00", "20 14:00:00", "20 19:00:00", "21 00:00:00", "21 04:29:00"]
        for time in times:
            open_hook.send(
                "deliveries",
                delivery(status="deferred", created=f"2026-11-{time}", reason=reply),
                api_key=None,
            )
        open_hook.send(
            "deliveries", delivery(status="succeeded", created="2026-11-21 05:00:00"), api_key=None
        )

        with translation.override(language):
            answer = browser.open_page(models.Mail.objects.get())

        page = content_of(answer)
        assert text in page
        folded, succeeded = answer.context["timeline"]
        assert len(folded.folded) == 6
        assert (folded.answer, succeeded.folded) == (reply, ())
        assert page.count("cmc-entry ") == 8
        assert '<details class="cmc-folded">' in page

    def test_a_folded_entry_repeats_no_answer_of_the_box(self, browser, open_hook):
        for minute in (1, 2, 3):
            event = delivery(
                status="deferred", created=f"2023-01-25 14:0{minute}:00", reason="421 4.7.0 later"
            )
            open_hook.send("deliveries", event, api_key=None)

        answer = browser.open_page(models.Mail.objects.get())

        [folded] = answer.context["timeline"]
        assert (len(folded.folded), folded.answer) == (3, "")
        assert content_of(answer).partition("<details")[0].count("421 4.7.0 later") == 1

    def test_two_deferrals_are_two(self, browser, open_hook):
        for minute in (1, 2):
            created = f"2023-01-25 14:0{minute}:00"
            open_hook.send("deliveries", delivery(status="deferred", created=created), api_key=None)

        assert len(browser.open_page(models.Mail.objects.get()).context["timeline"]) == 2

    @pytest.mark.parametrize(
        ("hours", "language", "text"),
        [
            (9, "en", "Waiting at CMC for 9 h."),
            (9, "ja", "CMC で送信待ち（9 時間経過）"),
            (0.5, "en", "Accepted by CMC"),
        ],
    )
    def test_a_mail_that_waits_says_how_long(self, browser, hours, language, text):
        at = timezone.now() - timedelta(hours=hours)
        mail = factories.MailFactory(status="queued", status_at=at)

        with translation.override(language):
            page = content_of(browser.open_page(mail))

        assert text in page
        assert ("Waiting at CMC for" in page) is (text.startswith("Waiting"))


class TestOtherRecipients:
    def test_are_counted_and_those_without_the_mail_come_first(self, browser, open_hook):
        for name, status in (
            ("a", "succeeded"),
            ("b", "failed"),
            ("c", "queued"),
            ("d", "succeeded"),
            ("e", "failed"),
        ):
            open_hook.send(
                "deliveries", delivery("<1@x>", to=f"{name}@example.jp", status=status), api_key=None
            )
        mail = models.Mail.objects.get(recipient="c@example.jp")

        answer = browser.open_page(mail)

        shown = re.findall(
            r">(\w)@example.jp<", "".join(str(each.link) for each in answer.context["same_message"].mails)
        )
        assert shown == ["b", "e", "a", "d"]
        assert "(4)" in content_of(answer).partition("cmc-same-message")[2].partition("</h2>")[0]


class TestErasedMail:
    @pytest.mark.parametrize(
        ("language", "text"),
        [
            ("en", "Personal data of this mail was erased on 2026-11-20."),
            ("ja", "このメールの個人データは 2026-11-20 に消去されました。"),
        ],
    )
    def test_says_when_it_was_erased(self, browser, language, text):
        mail = factories.MailFactory(
            erased_at=datetime(2026, 11, 20, 3, tzinfo=UTC), recipient="", subject=""
        )

        with translation.override(language):
            assert text in content_of(browser.open_page(mail))
