"""Cases D26, D30 to D32, D34 and D35 in the admin: what people read about an address, and may do."""

from __future__ import annotations

import html
import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone, translation

from cmc_webhooks import models, suppression
from tests import cases
from tests.admin.conftest import browser_of, statements
from tests.conftest import bounce, delivery
from tests.helpers import factories

pytestmark = pytest.mark.django_db

ADD = reverse("admin:cmc_webhooks_suppression_add")
FREE = {"en": "May be written to.", "ja": "送信できます。"}
SOFT = {
    "en": "Not written to until {}: {} temporary bounces in a row.",
    "ja": "送信停止中（{} まで）：一時的なエラーが {} 回続いたため",
}
SEND_LATER = {
    "en": "The mailbox is full or its server has a temporary problem. Send it again later.",
    "ja": "受信箱が満杯か、サーバーに一時的な問題があります。時間をおいて再送してください。",
}


@pytest.fixture(params=["en", "ja"])
def language(request, settings):
    settings.LANGUAGE_CODE = request.param
    with translation.override(request.param):
        yield request.param


@pytest.fixture
def browser():
    """The browser of a superuser."""
    return browser_of(is_staff=True, is_superuser=True)


def url_of(name):
    return reverse(f"admin:cmc_webhooks_suppression_{name}")


def text_of(answer):
    """The text of a page with its messages, without what stands around it."""
    assert answer.status_code == 200, answer.headers
    body = answer.content.decode().partition("<main")[2]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def at(days):
    """CMC's wall clock some days ago."""
    moment = datetime.now(ZoneInfo("Asia/Tokyo")) - timedelta(days=days)
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def bounces(hook, address, code, *days, composition="pro"):
    """Post bounces of different mails of so long ago; return the mail of the last one."""
    for ago in days:
        message = f"<{code}-{ago}-{composition}@x>"
        event = bounce(message, to=address, status=code, created=at(ago), reason="")
        cases.send(hook, "bounces", event, server_composition=composition)
    return models.Mail.objects.get(message_id=message, recipient=address)


def end_of(address, **question):
    verdict = suppression.verdicts([address], **question)[address]
    return f"{timezone.localtime(verdict.until):%Y-%m-%d}"


def pages_of(browser, mail):
    """The three pages on which a person looks an address up."""
    return {
        "mail": text_of(browser.open_page(mail)),
        "mails": text_of(browser.open_list("mail", q=mail.recipient)),
        "suppressions": text_of(browser.open_list("suppression", q=mail.recipient)),
        "address": text_of(browser.get(url_of("address"), {"address": mail.recipient})),
    }


class TestD26ReleasedHereStillBlockedAtCmc:
    STILL = {
        "en": "Released here. CMC still blocks this address until it is removed from the list in CMC's"
        " console.",
        "ja": "このシステムでの停止を解除しました。CMC の管理コンソールで配信停止リストから削除するまで、"
        "CMC はこの宛先に送信しません。",
    }

    def release(self, browser, address, composition):
        """By the button and its question; return the page after it."""
        asked = {"address": address, "server_composition": composition}
        question = browser.post(url_of("release"), asked)
        assert question.status_code == 200
        return browser.post(url_of("release"), {**asked, "confirmed": "yes"}, follow=True)

    def test_the_button_says_so_after_it_and_every_page_from_then_on(self, open_hook, browser, language):
        cases.play(open_hook, "D26")
        mail = models.Mail.objects.get()
        before = pages_of(browser, mail)

        after = text_of(self.release(browser, "held@example.jp", "pro"))

        verdict = suppression.verdicts(["held@example.jp"])["held@example.jp"]
        assert (verdict.may_send, verdict.at_cmc) == (True, True)
        assert self.STILL[language] in after
        for name, text in pages_of(browser, mail).items():
            assert self.STILL[language] not in before[name]
            assert self.STILL[language] in text, name
            assert FREE[language] in text, name

    def test_the_form_says_so(self, open_hook, browser, language):
        cases.play(open_hook, "D26")

        after = browser.post(ADD, {"address": "held@example.jp", "kind": "released", "note": ""}, follow=True)

        assert self.STILL[language] in text_of(after)

    def test_a_block_event_alone_holds_as_well(self, browser, language):
        factories.BlockEventFactory(
            address="held@example.jp", occurred_at=timezone.now(), server_composition="pro"
        )

        after = text_of(self.release(browser, "held@example.jp", "pro"))

        assert self.STILL[language] in after

    def test_every_page_says_so_where_another_server_composition_is_still_stopped(
        self, open_hook, browser, language
    ):
        mail = bounces(open_hook, "held@example.jp", "10", 2)
        bounces(open_hook, "held@example.jp", "11", 1, composition="newsletter")
        suppression.release("held@example.jp", composition="pro")

        for name, text in pages_of(browser, mail).items():
            assert self.STILL[language] in text, name

    def test_the_question_says_so_before(self, open_hook, browser):
        cases.play(open_hook, "D26")

        asked = browser.post(url_of("release"), {"address": "held@example.jp", "server_composition": "pro"})

        assert "CMC goes on refusing mail through pro until its own entry is removed." in text_of(asked)

    def test_nothing_of_the_kind_after_the_release_of_a_hard_bounce(self, open_hook, browser, language):
        mail = bounces(open_hook, "held@example.jp", "2", 1)

        after = text_of(self.release(browser, "held@example.jp", ""))

        assert self.STILL[language] not in after
        assert self.STILL[language] not in "".join(pages_of(browser, mail).values())


class TestD30WhereAnAddressStandsItsVerdictDoes:
    ADDRESS = "hanako@example.jp"

    def test_on_every_page_with_the_dates_of_the_verdict(self, open_hook, browser, language):
        mail = bounces(open_hook, self.ADDRESS, "5", 20, 15, 10, 5)
        expected = SOFT[language].format(end_of(self.ADDRESS), 4)
        release = {"en": "Release", "ja": "解除する"}[language]

        for name, text in pages_of(browser, mail).items():
            assert expected in text, name
            assert release in text, name
            assert FREE[language] not in text, name

    def test_others_may_be_written_to(self, open_hook, browser, language):
        mail = bounces(open_hook, self.ADDRESS, "5", 5)

        for name, text in pages_of(browser, mail).items():
            assert FREE[language] in text, name

    def test_no_button_for_who_may_not(self, open_hook):
        mail = bounces(open_hook, self.ADDRESS, "5", 20, 15, 10, 5)
        viewer = browser_of("view_mail", "view_suppression", is_staff=True)

        for name, text in pages_of(viewer, mail).items():
            assert "Not written to until" in text, name
            assert "Release" not in text, name

    def test_a_person_without_mails_who_is_blocked_is_found_by_the_search(self, browser):
        suppression.block(self.ADDRESS)

        text = text_of(browser.open_list("mail", q=f"Hanako <{self.ADDRESS}>"))

        assert "Nothing found." in text
        assert "Not written to: blocked by hand." in text

    def test_each_server_composition_has_its_own_sentence(self, open_hook, browser):
        mail = bounces(open_hook, self.ADDRESS, "11", 5, composition="newsletter")

        for name, text in pages_of(browser, mail).items():
            end = end_of(self.ADDRESS)
            words = f"Not written to through newsletter until {end}: this person unsubscribed at CMC."
            assert words in text, name
            assert "It may be written to through other server compositions." in text, name

    def test_costs_a_list_of_100_mails_one_statement(self, browser, monkeypatch):
        factories.MailFactory.create_batch(100, delivery_status="succeeded")

        def cost():
            return len(statements(lambda: browser.open_list("mail")))

        cost()
        many = cost()
        monkeypatch.setattr("cmc_webhooks.admin.mails.MailAdmin.prepare", lambda *arguments: None)
        assert many == cost() + 1

    def test_costs_a_search_by_address_one_statement(self, browser, monkeypatch):
        for _ in range(50):
            factories.MailFactory(recipient=self.ADDRESS)

        def cost():
            return len(statements(lambda: browser.open_list("mail", q=self.ADDRESS)))

        cost()
        with_line = cost()
        monkeypatch.setattr("cmc_webhooks.admin.mails.MailAdmin.prepare", lambda *arguments: None)
        monkeypatch.setattr("cmc_webhooks.admin.mails.MailAdmin.statement", lambda *arguments: None)
        assert with_line == cost() + 1


class TestD31WhatAFormTakesIsStoredOrRefused:
    ADDRESS = "hanako@example.jp"
    ENDLESS = {
        "en": "A release has no end: leave this empty.",
        "ja": "解除に期限はありません。空欄にしてください。",
    }
    PASSED = {"en": "This date has passed.", "ja": "過去の日付です。"}
    SAVED = {
        "en": "{} is blocked until {}.",
        "ja": "{} への送信を {} まで停止しました。",
    }

    def post(self, browser, **values):
        fields = {"address": self.ADDRESS, "kind": "blocked", "note": "", **values}
        return browser.post(ADD, fields, follow=True)

    @pytest.mark.parametrize("time", ["00:00:00", "", "09:30:00"])
    def test_a_release_with_an_end_is_refused(self, browser, language, time):
        answer = self.post(browser, kind="released", until_0="2126-12-24", until_1=time)

        assert answer.context["adminform"].form.errors == {"until": [self.ENDLESS[language]]}
        assert not models.Suppression.objects.exists()

    @pytest.mark.parametrize("day", ["2020-01-01", "1999-12-31"])
    def test_an_end_that_has_passed_is_refused(self, browser, language, day):
        answer = self.post(browser, until_0=day, until_1="00:00:00")

        assert answer.context["adminform"].form.errors == {"until": [self.PASSED[language]]}
        assert not models.Suppression.objects.exists()

    @pytest.mark.parametrize("time", ["00:00:00", ""])
    def test_the_message_names_address_and_end(self, browser, language, time):
        answer = self.post(browser, until_0="2126-12-24", until_1=time)

        row = models.Suppression.objects.get()
        assert f"{timezone.localtime(row.until):%Y-%m-%d %H:%M}" == "2126-12-24 00:00"
        assert self.SAVED[language].format(self.ADDRESS, "2126-12-24") in text_of(answer)

    def test_a_block_whose_end_has_passed_is_shown_as_ended(self, browser):
        row = suppression.block(self.ADDRESS, until=timezone.now() + timedelta(hours=1))
        before = text_of(browser.open_list("suppression"))
        models.Suppression.objects.update(until=timezone.now() - timedelta(seconds=1))

        after = [
            text_of(browser.open_list("suppression")),
            text_of(browser.get(url_of("address"), {"address": self.ADDRESS})),
        ]

        assert "blocked, ended" not in before
        assert all("blocked, ended" in text for text in after)
        assert FREE["en"] in after[1]
        assert FREE["en"] in text_of(browser.open_page(row))

    def test_the_button_refuses_the_same(self, browser):
        asked = {"address": self.ADDRESS, "confirmed": "yes"}
        past = browser.post(url_of("block"), {**asked, "until_0": "2020-01-01", "until_1": "00:00"})
        endless = browser.post(url_of("release"), {**asked, "until_0": "2126-12-24", "until_1": "00:00"})

        assert self.PASSED["en"] in text_of(past)
        assert self.ENDLESS["en"] in text_of(endless)
        assert not models.Suppression.objects.exists()


class TestD32APermissionIsAskedForWhatHappensToTheRow:
    ADDRESS = "hanako@example.jp"
    REFUSED = {
        "en": "There is a decision about this address already; changing it takes the permission to change.",
        "ja": "このアドレスはすでに登録されています。変更には変更権限が必要です。",
    }

    @pytest.fixture
    def blocked(self):
        return suppression.block(self.ADDRESS, note="asked by phone", author="4711")

    def released(self, browser, **values):
        return browser.post(ADD, {"address": self.ADDRESS, "kind": "released", "note": "", **values})

    def is_as_it_was(self):
        row = models.Suppression.objects.get()
        return (row.kind, row.note, row.author) == ("blocked", "asked by phone", "4711")

    def test_by_the_form_to_add(self, blocked, language):
        browser = browser_of("add_suppression", is_staff=True)

        answer = self.released(browser)

        assert self.REFUSED[language] in text_of(answer)
        assert self.is_as_it_was()
        assert not suppression.may_send(self.ADDRESS)

    def test_by_the_buttons(self, blocked, language):
        browser = browser_of("add_suppression", "view_mail", is_staff=True)

        for name in ("release", "block"):
            for confirmed in ({}, {"confirmed": "yes"}):
                answer = browser.post(url_of(name), {"address": self.ADDRESS, **confirmed})
                assert self.REFUSED[language] in text_of(answer)
        assert self.is_as_it_was()

    def test_for_one_server_composition(self):
        suppression.block(self.ADDRESS, composition="pro", author="4711", note="asked by phone")
        browser = browser_of("add_suppression", is_staff=True)

        refused = self.released(browser, server_composition="pro")
        stored = self.released(browser, server_composition="newsletter")

        assert (refused.status_code, stored.status_code) == (200, 302)
        assert models.Suppression.objects.get(server_composition="pro").kind == "blocked"

    def test_with_the_permission_it_is_saved_after_a_question_and_the_log_says_what_was(self, blocked):
        browser = browser_of("add_suppression", "change_suppression", is_staff=True)

        asked = self.released(browser)
        assert "blocked, asked by phone" in text_of(asked)
        assert self.is_as_it_was()
        seen = asked.context["adminform"].form["seen"].value()
        answer = self.released(browser, seen=seen)

        entry = LogEntry.objects.latest("pk")
        assert answer.status_code == 302
        assert models.Suppression.objects.get().kind == "released"
        assert entry.get_change_message() == "Before: blocked"
        assert self.ADDRESS not in f"{entry.object_repr} {entry.change_message}"

    def test_asks_again_if_another_person_decided_between_question_and_answer(self, blocked):
        browser = browser_of("add_suppression", "change_suppression", is_staff=True)
        asked = browser.post(url_of("release"), {"address": self.ADDRESS})
        seen = re.search(r'name="seen" value="([^"]*)"', asked.content.decode())[1]
        suppression.block(self.ADDRESS, note="by letter", author="4712")

        given = {"address": self.ADDRESS, "confirmed": "yes"}
        again = browser.post(url_of("release"), {**given, "seen": html.unescape(seen)})
        assert "by letter" in text_of(again)
        assert models.Suppression.objects.get().note == "by letter"
        seen = re.search(r'name="seen" value="([^"]*)"', again.content.decode())[1]
        browser.post(url_of("release"), {**given, "seen": html.unescape(seen)})

        assert models.Suppression.objects.get().kind == "released"

    def test_ones_own_decision_is_changed_without_a_question(self):
        browser = browser_of("add_suppression", "change_suppression", is_staff=True)
        self.released(browser, kind="blocked")

        answer = self.released(browser)

        assert answer.status_code == 302
        assert models.Suppression.objects.get().kind == "released"


class TestD34AdviceIsChosenByCode:
    CONSENT = {
        "en": "This person asked for no more mail. Do not send again without their consent.",
        "ja": "受信者が配信停止を希望しています。本人の同意なく再送しないでください。",
    }
    LIST = {
        "en": "To send again, remove the address from the list of blocked addresses in CMC's console.",
        "ja": "CMC の管理コンソールの配信停止リストから解除してください。",
    }

    @pytest.mark.parametrize("code", ["10", "11"])
    def test_on_page_and_list(self, open_hook, browser, language, code):
        mail = bounces(open_hook, "user@example.jp", code, 1)
        wanted, other = (self.LIST, self.CONSENT) if code == "10" else (self.CONSENT, self.LIST)

        for text in (text_of(browser.open_page(mail)), text_of(browser.open_list("mail"))):
            assert wanted[language] in text
            assert other[language] not in text

    def test_code_11_never_says_send_again_whatever_is_decided(self, open_hook, browser, language):
        mail = bounces(open_hook, "user@example.jp", "11", 1)
        suppression.release("user@example.jp")

        for text in (text_of(browser.open_page(mail)), text_of(browser.open_list("mail"))):
            assert self.CONSENT[language] in text
            assert SEND_LATER[language] not in text
            assert self.LIST[language] not in text

    def test_code_10_names_no_list_once_a_later_mail_arrived(self, open_hook, browser, language):
        mail = bounces(open_hook, "user@example.jp", "10", 2)
        later = delivery("<later@x>", to="user@example.jp", status="succeeded", created=at(1))
        cases.send(open_hook, "deliveries", later)

        text = text_of(browser.open_page(mail))

        assert suppression.may_send("user@example.jp")
        assert self.LIST[language] not in text

    @pytest.mark.parametrize("code", ["1", "2", "9"])
    def test_a_hard_bounce_that_was_released_does_not_say_that_mail_will_not_arrive(
        self, open_hook, browser, code
    ):
        mail = bounces(open_hook, "user@example.jp", code, 1)
        before = text_of(browser.open_page(mail))
        suppression.release("user@example.jp")

        after = text_of(browser.open_page(mail))

        assert "Mail to this one will not arrive." in before
        assert "Mail to this one will not arrive." not in after
        assert "Check the address before you send to it again." in after


class TestD35NoAdviceThatTheRulesWouldUndo:
    ADDRESS = "hanako@example.jp"

    def test_the_advice_before_the_third_bounce_the_verdict_from_it_on(self, open_hook, browser, language):
        for number, days in enumerate((20, 15, 10, 5), start=1):
            mail = bounces(open_hook, self.ADDRESS, "5", days)
            page, rows = browser.open_page(mail), browser.open_list("mail")

            for answer in (page, rows):
                assert (SEND_LATER[language] in text_of(answer)) is (number < 3)
            if number >= 3:
                verdict = SOFT[language].format(end_of(self.ADDRESS), number)
                assert verdict in text_of(page)
                assert f'title="{verdict}' in rows.content.decode()

        suppression.release(self.ADDRESS)
        for text in (text_of(browser.open_page(mail)), text_of(browser.open_list("mail"))):
            assert SEND_LATER[language] in text

    def test_nor_for_a_mail_that_is_too_large(self, open_hook, browser):
        mail = bounces(open_hook, self.ADDRESS, "8", 1)
        before = text_of(browser.open_page(mail))
        suppression.block(self.ADDRESS)

        after = text_of(browser.open_page(mail))

        assert "Send a smaller mail." in before
        assert "Send a smaller mail." not in after
        assert "Not written to: blocked by hand." in after

    def test_a_block_at_another_server_composition_stops_no_advice(self, open_hook, browser):
        mail = bounces(open_hook, self.ADDRESS, "5", 1)
        suppression.block(self.ADDRESS, composition="newsletter")

        text = text_of(browser.open_page(mail))

        assert SEND_LATER["en"] in text
        assert "Not written to through newsletter: blocked by hand." in text

    @pytest.mark.parametrize("code", ["1", "2", "3", "5", "6", "7", "8", "9", "10", "11", "99", "77"])
    def test_no_code_says_send_again_while_nothing_is_sent(self, open_hook, browser, language, code):
        mail = bounces(open_hook, self.ADDRESS, code, 1)
        suppression.block(self.ADDRESS)

        for text in (text_of(browser.open_page(mail)), text_of(browser.open_list("mail"))):
            assert SEND_LATER[language] not in text
            assert FREE[language] not in text
