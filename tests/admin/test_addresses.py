from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from django.utils import timezone

from cmc_webhooks import erasure, models, suppression
from cmc_webhooks.admin import addresses, verdicts
from tests.admin.conftest import browser_of, statements
from tests.admin.test_pages import text_of
from tests.conftest import bounce
from tests.helpers import factories

pytestmark = pytest.mark.django_db

PAGE = reverse("admin:cmc_webhooks_suppression_address")
ADDRESS = "user@example.jp"


def bounced(code, days=1, **values):
    moment = timezone.now() - timedelta(days=days)
    defaults = {"recipient": ADDRESS, "server_composition": "pro", "created_at": moment, "status_at": moment}
    mail = factories.MailFactory(bounce_code=code, **(defaults | values))
    event = factories.BounceEventFactory(mail=mail, bounce_code=code, occurred_at=mail.status_at)
    models.Mail.objects.filter(pk=mail.pk).update(bounce_event_id=event.pk)
    return event


def scopes_of(answer):
    """By server composition: the verdict on any mail, and on mail that the person asked for."""
    rows = answer.context["scopes"]
    return {row.composition: tuple(re.sub("<[^>]*>", "", cell) for cell in row[1:]) for row in rows}


class TestAddressPage:
    @pytest.mark.parametrize("typed", ["USER@Example.JP", "User <user@example.jp>", " user@example.jp "])
    def test_takes_any_spelling(self, browser, typed):
        suppression.block(ADDRESS)

        answer = browser.get(PAGE, {"address": typed})

        assert answer.context["address"] == ADDRESS
        assert "Not written to: blocked by hand." in text_of(answer)

    @pytest.mark.parametrize("typed", ["", "nobody", "@", "@example.jp", "user@"])
    def test_asks_for_an_address(self, browser, typed):
        answer = browser.get(PAGE, {"address": typed})

        assert ("Enter an e-mail address." in text_of(answer)) is bool(typed)
        assert "statement" not in answer.context

    def test_links_each_reason_to_what_caused_it(self, browser):
        decision = suppression.block(ADDRESS)
        hard = bounced("2")
        held = bounced("11", days=2, server_composition="newsletter")
        block = factories.BlockEventFactory(
            address=ADDRESS, occurred_at=timezone.now(), server_composition="tests"
        )

        page = browser.get(PAGE, {"address": ADDRESS})

        causes = {row.words: "".join(row.causes) for row in page.context["reasons"]}
        for words, name, row in (
            ("blocked by hand", "suppression", decision),
            ("the address is not valid", "bounceevent", hard),
            ("this person unsubscribed at CMC", "bounceevent", held),
            ("it is on CMC's list of blocked addresses", "blockevent", block),
        ):
            assert reverse(f"admin:cmc_webhooks_{name}_change", args=[row.pk]) in causes[words]

    def test_links_soft_bounces_in_a_row_to_each_of_them(self, browser):
        events = [bounced("5", days=days) for days in (9, 6, 3)]

        (row,) = browser.get(PAGE, {"address": ADDRESS}).context["reasons"]

        assert row.words == "3 temporary bounces in a row"
        for event, link in zip(reversed(events), row.causes, strict=True):
            assert str(event.pk) in link

    def test_links_to_the_mail_where_the_bounce_was_pruned(self, browser):
        event = bounced("2")
        models.BounceEvent.objects.all().delete()

        (row,) = browser.get(PAGE, {"address": ADDRESS}).context["reasons"]

        assert str(event.mail_id) in row.causes[0]

    def test_links_what_an_erasure_kept_to_its_row(self, browser):
        bounced("2")
        erasure.erase(ADDRESS)
        kept = models.Suppression.objects.get()

        page = browser.get(PAGE, {"address": ADDRESS})

        (row,) = page.context["reasons"]
        assert str(kept.pk) in row.causes[0]
        assert "Not written to" in text_of(page)

    def test_has_a_verdict_for_each_server_composition_and_kind_of_mail(self, browser):
        bounced("11", server_composition="newsletter")
        bounced("3", days=40)

        found = scopes_of(browser.get(PAGE, {"address": ADDRESS}))

        end = suppression.verdicts([ADDRESS])[ADDRESS].until
        stopped = f"Not written to until {end:%Y-%m-%d}: this person unsubscribed at CMC."
        refused = "Allowed here, but refused by CMC"
        assert found == {
            "any (the strictest verdict)": (stopped, refused),
            "newsletter": (stopped, refused),
            "pro": ("May be written to", "May be written to"),
        }

    @pytest.mark.parametrize("composition", [None, "newsletter", "pro"])
    @pytest.mark.parametrize("transactional", [False, True])
    def test_says_what_programs_are_answered(self, browser, composition, transactional):
        bounced("10", server_composition="newsletter")
        suppression.block(ADDRESS, composition="pro")
        suppression.release(ADDRESS, composition="newsletter")

        found = scopes_of(browser.get(PAGE, {"address": ADDRESS}))

        shown = found[composition or "any (the strictest verdict)"][transactional]
        asked = {"composition": composition, "transactional": transactional}
        verdict = suppression.verdicts([ADDRESS], **asked)[ADDRESS]
        assert shown.startswith("Not written to") is not verdict.may_send
        assert (shown == "Allowed here, but refused by CMC") is (verdict.may_send and verdict.at_cmc)

    def test_names_who_decided(self, browser):
        user = browser_of(is_staff=True, first_name="x").session["_auth_user_id"]
        suppression.block(ADDRESS, author=user, note="asked by phone")
        suppression.block(ADDRESS, composition="pro", author="root", via="command")

        authors = [row.author for row in browser.get(PAGE, {"address": ADDRESS}).context["decisions"]]

        assert authors == ["root", "user1"]

    def test_lists_what_cmc_still_refuses(self, browser):
        bounced("10")
        suppression.release(ADDRESS, composition="pro")

        text = text_of(browser.get(PAGE, {"address": ADDRESS}))

        assert "May be written to." in text
        assert "CMC's own lists" in text
        assert "Blocked addresses pro" in text

    def test_is_as_cheap_for_many_facts_as_for_few(self, browser):
        def add(number):
            for each in range(number):
                bounced("5", days=each + 1, server_composition=f"c{each}")
                suppression.block(ADDRESS, composition=f"c{each}", author=str(each))
                factories.BlockEventFactory(address=ADDRESS, occurred_at=timezone.now())

        add(2)
        browser.get(PAGE, {"address": ADDRESS})
        few = statements(lambda: browser.get(PAGE, {"address": ADDRESS}))
        add(15)

        many = statements(lambda: browser.get(PAGE, {"address": ADDRESS}))

        assert len(many) == len(few) <= 12

    def test_shows_only_what_the_user_may_see_of_mails_and_blocks(self):
        bounced("2", subject="a private subject")
        factories.BlockEventFactory(
            address=ADDRESS, occurred_at=timezone.now(), server_composition="private-composition"
        )
        browser = browser_of("view_suppression", is_staff=True)

        page = browser.get(PAGE, {"address": ADDRESS})

        assert "a private subject" not in page.content.decode()
        assert not re.search(r"/(mail|bounceevent|blockevent)/", page.content.decode())
        assert "the address is not valid" in text_of(page).replace("The address", "the address")

    def test_has_no_script_and_no_style_of_its_own(self, browser):
        suppression.block("<script>alert(1)</script>@example.jp", note="<script>alert(2)</script>")

        page = browser.get(PAGE, {"address": "<script>alert(1)</script>@example.jp"}).content.decode()

        assert "<script>alert" not in page
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|javascript:", page.split("<main")[1])

    @pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
    def test_opens_where_times_are_stored_without_a_zone(self, browser, open_hook, settings, zone):
        settings.USE_TZ, settings.TIME_ZONE = False, zone
        end = timezone.now() + timedelta(days=3)
        suppression.block(ADDRESS, until=end)
        yesterday = datetime.now(ZoneInfo("Asia/Tokyo")) - timedelta(days=1)
        hard = bounce(to=ADDRESS, status="2", created=f"{yesterday:%Y-%m-%d %H:%M:%S}")
        open_hook.send("bounces", hard, api_key=None)

        page = browser.get(PAGE, {"address": ADDRESS})
        rows = browser.get(reverse("admin:cmc_webhooks_suppression_suppressed")).context["rows"]

        assert f"{end:%Y-%m-%d %H:%M:%S}" in text_of(page)
        assert [row.words for row in page.context["reasons"]] == [
            "blocked by hand",
            "the address is not valid",
        ]
        assert [row.address for row in rows] == [ADDRESS]


class TestUserNames:
    def test_are_those_of_users_in_one_query(self, browser):
        key = browser.session["_auth_user_id"]

        found = []
        sent = statements(lambda: found.append(addresses.user_names([key, key, "root", "", "999999"])))

        assert found == [{key: "user0"}]
        assert len(sent) == 1

    def test_are_asked_for_by_nobodys_key(self):
        assert statements(lambda: addresses.user_names(["root", "", "ten", "9" * 30])) == []


class TestIsAddress:
    @pytest.mark.parametrize("text", ["a@x.jp", "A <a@x.jp>", f"{'a' * 400}@x.jp", '"a b"@x.jp'])
    def test_is_true(self, text):
        assert verdicts.is_address(text)

    @pytest.mark.parametrize("text", ["", "@", "a", "@x.jp", "a@", f"a@x.jp {chr(0x300) * 80_000}"])
    def test_is_false(self, text):
        assert not verdicts.is_address(text)

    def test_of_a_long_text_is_answered_without_parsing_it(self, monkeypatch):
        monkeypatch.setattr("cmc_webhooks.wire.canonical_mailbox", None)

        assert not verdicts.is_address("a@x.jp" * 1000)


class TestSentences:
    NOW = timezone.now()

    def reason(self, word, composition="", days=10, number=1):
        until = None if days is None else self.NOW + timedelta(days=days)
        return suppression.Reason(word, self.NOW, until, composition, number)

    def texts(self, *reasons, composition=""):
        return [each.text for each in verdicts.sentences(reasons, composition)]

    def test_begin_with_what_holds_everywhere(self):
        end = verdicts.until(self.NOW + timedelta(days=10))
        later = verdicts.until(self.NOW + timedelta(days=20))

        assert self.texts(self.reason("hard"), self.reason("unsubscribed", "news", days=20)) == [
            f"Not written to until {end}: the address is not valid.",
            f"Not written to through news until {later}: this person unsubscribed at CMC.",
        ]

    def test_leave_out_a_server_composition_that_is_free_no_later(self):
        assert len(self.texts(self.reason("hard"), self.reason("unsubscribed", "news", days=10))) == 1
        assert len(self.texts(self.reason("by_hand", days=None), self.reason("unsubscribed", "news"))) == 1

    def test_give_the_end_of_the_last_reason(self):
        later = verdicts.until(self.NOW + timedelta(days=40))

        assert self.texts(self.reason("by_hand", days=5), self.reason("hard", days=40)) == [
            f"Not written to until {later}: blocked by hand."
        ]

    def test_begin_with_the_server_composition_of_the_mail(self):
        reasons = [self.reason("blocked", "pro"), self.reason("unsubscribed", "news")]

        assert self.texts(*reasons)[0].startswith("Not written to through pro")
        assert self.texts(*reasons, composition="news")[0].startswith("Not written to through news")

    def test_count_a_single_bounce(self):
        assert verdicts.words(self.reason("soft", number=1)) == "1 temporary bounce"

    def test_name_the_time_of_an_end_today(self, settings):
        settings.TIME_ZONE = "Asia/Tokyo"
        soon = timezone.localtime().replace(hour=23, minute=59)

        assert verdicts.until(soon) == f"{soon:%Y-%m-%d} 23:59"
        assert verdicts.until(soon + timedelta(days=1)) == f"{soon + timedelta(days=1):%Y-%m-%d}"
