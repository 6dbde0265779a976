"""The buttons Release, Block and Lift at CMC: who may use them, what they ask, what they do."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from django.contrib.admin import AdminSite
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import include, path, reverse
from django.utils import timezone

from cmc_webhooks import admin as pages
from cmc_webhooks import models, suppression
from cmc_webhooks.admin import labels
from cmc_webhooks.bounce_codes import BOUNCE_CODES
from tests.admin.conftest import Browser, browser_of, statements
from tests.admin.test_pages import text_of
from tests.helpers import factories
from tests.urls import urlpatterns as usual

pytestmark = pytest.mark.django_db

ADDRESS = "user@example.jp"
NAMES = ("block", "release", "lift")


class OtherSite(AdminSite):
    """A second admin of the project, with the pages about addresses alone."""


other = OtherSite(name="other")
other.register(models.Mail, pages.MailAdmin)
other.register(models.Suppression, pages.SuppressionAdmin)
bare = OtherSite(name="bare")
bare.register(models.Mail, pages.MailAdmin)
urlpatterns = [path("other/", other.urls), path("bare/", bare.urls), path("", include(usual))]


def url_of(name):
    return reverse(f"admin:cmc_webhooks_suppression_{name}")


def bounced(code, composition="pro", **values):
    moment = timezone.now() - timedelta(days=1)
    defaults = {"recipient": ADDRESS, "created_at": moment, "status_at": moment}
    return factories.MailFactory(bounce_code=code, server_composition=composition, **(defaults | values))


def buttons_of(answer):
    """The buttons of a page about an address: what they do, and for which server composition."""
    page = answer.content.decode()
    found = re.findall(r'formaction="[^"]*/(\w+)/" name="server_composition" value="([^"]*)"', page)
    return list(dict.fromkeys(found))


def press(browser, name, composition="", **values):
    """Press a button and answer its question; return both pages."""
    given = {"address": ADDRESS, "server_composition": composition}
    asked = browser.post(url_of(name), given)
    seen = re.search(r'name="seen" value="([^"]*)"', asked.content.decode())
    seen = {"seen": html.unescape(seen[1])} if seen else {}
    return asked, browser.post(url_of(name), {**given, **seen, "confirmed": "yes", **values}, follow=True)


@pytest.fixture
def liftable(rest_api, settings):
    pytest.importorskip("httpx")
    settings.CMC_WEBHOOKS_REST_MAY_LIFT = True
    return rest_api


class TestPermissions:
    """Who sees which button, and whom the server lets use it."""

    MATRIX = [
        (["view_mail", "view_suppression"], set(), set()),
        (["view_mail", "view_suppression", "add_suppression"], {"release", "block"}, {"release", "block"}),
        (["view_mail", "change_suppression"], {"release", "block"}, {"release", "block"}),
        (["view_mail", "view_suppression", "delete_suppression"], set(), set()),
        (["view_mail", "view_suppression", "lift_suppression"], {"lift"}, {"lift"}),
    ]

    @pytest.mark.parametrize(("permissions", "shown", "allowed"), MATRIX)
    def test_are_those_of_the_row(self, liftable, permissions, shown, allowed):
        mail = bounced("10")
        browser = browser_of(*permissions, is_staff=True)

        for answer in (
            browser.open_page(mail),
            browser.open_list("mail", q=ADDRESS),
            browser.get(url_of("address"), {"address": ADDRESS}),
        ):
            assert {name for name, _composition in buttons_of(answer)} == shown
        for name in NAMES:
            given = {"address": ADDRESS, "server_composition": "pro"}
            for confirmed in ({}, {"confirmed": "yes"}):
                answer = browser.post(url_of(name), {**given, **confirmed})
                assert (answer.status_code != 403) is (name in allowed), name

    def test_are_all_a_superusers(self, browser, liftable):
        mail = bounced("10")

        assert {name for name, _composition in buttons_of(browser.open_page(mail))} == set(NAMES)

    @pytest.mark.parametrize("name", NAMES)
    def test_are_wanted_of_strangers(self, liftable, name):
        bounced("10")
        given = {"address": ADDRESS, "server_composition": "pro", "confirmed": "yes"}

        for browser in (Browser(), browser_of("change_suppression", "lift_suppression")):
            answer = browser.post(url_of(name), given)
            assert "/login/" in answer.headers["Location"]
        assert not models.Suppression.objects.exists()
        assert liftable.asked == []

    @pytest.mark.parametrize("name", NAMES)
    def test_want_a_token_and_a_post(self, browser, liftable, name):
        bounced("10")
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = browser.cookies
        given = {"address": ADDRESS, "server_composition": "pro", "confirmed": "yes"}

        assert strict.post(url_of(name), given).status_code == 403
        assert browser.get(url_of(name), given).status_code == 405
        assert not models.Suppression.objects.exists()
        assert liftable.asked == []

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("address", ["", "nobody", "@", "\0"])
    def test_want_an_address(self, browser, liftable, name, address):
        assert browser.post(url_of(name), {"address": address}).status_code == 400


class TestButtons:
    def test_of_one_reason_release_its_server_composition(self, browser):
        bounced("11", "newsletter")

        assert ("release", "newsletter") in buttons_of(browser.open_page(models.Mail.objects.get()))

    def test_of_several_reasons_release_everything(self, browser):
        bounced("11", "newsletter")
        mail = bounced("2")

        assert ("release", "") in buttons_of(browser.open_page(mail))

    def test_release_each_server_composition_where_one_is_blocked_by_hand(self, browser):
        mail = bounced("11", "newsletter")
        suppression.block(ADDRESS, composition="pro")

        found = buttons_of(browser.open_page(mail))

        assert [each for each in found if each[0] == "release"] == [
            ("release", "pro"),
            ("release", "newsletter"),
        ]
        for _name, composition in found[:2]:
            press(browser, "release", composition)
        assert suppression.may_send(ADDRESS)

    def test_block_no_address_that_a_person_blocked(self, browser):
        mail = bounced("5")
        suppression.block(ADDRESS)

        assert [name for name, _composition in buttons_of(browser.open_page(mail))] == ["release"]

    def test_release_none_that_may_be_written_to(self, browser):
        mail = factories.MailFactory(recipient=ADDRESS, delivery_status="succeeded")

        assert [name for name, _composition in buttons_of(browser.open_page(mail))] == ["block"]

    def test_are_few_where_many_server_compositions_are_stopped(self, browser, liftable):
        for number in range(8):
            mail = bounced("10", f"c{number}")
            suppression.block(ADDRESS, composition=f"d{number}")

        answer = browser.open_page(mail)

        names = [name for name, _composition in buttons_of(answer)]
        assert (names.count("release"), names.count("block"), names.count("lift")) == (3, 1, 3)
        assert text_of(answer).count("Not written to through") == 3
        assert "16 server compositions are stopped in all." in text_of(answer)

    @pytest.mark.parametrize("recipient", ["", "no address", "@", "<>"])
    def test_are_missing_where_there_is_no_address(self, browser, recipient):
        mail = factories.MailFactory(recipient=recipient, bounce_code="2")

        assert buttons_of(browser.open_page(mail)) == []


class TestRelease:
    def test_is_asked_for_then_stored_with_its_author(self, browser):
        bounced("2")

        asked, after = press(browser, "release", note="she called")

        row = models.Suppression.objects.get()
        assert "Release user@example.jp?" in text_of(asked)
        assert "Not written to until" in text_of(asked)
        assert (row.kind, row.note, row.author) == (
            "released",
            "she called",
            browser.session["_auth_user_id"],
        )
        assert suppression.may_send(ADDRESS)
        assert after.redirect_chain[-1][0].startswith(url_of("address"))
        assert "user@example.jp is released." in after.content.decode()

    def test_changes_nothing_before_it_is_confirmed(self, browser):
        bounced("2")

        browser.post(url_of("release"), {"address": ADDRESS})

        assert not models.Suppression.objects.exists()

    def test_says_what_still_stops_mail(self, browser):
        bounced("2")
        suppression.block(ADDRESS, composition="pro")

        _asked, after = press(browser, "release", "")

        assert "Not written to through pro: blocked by hand." in after.content.decode()

    def test_of_who_unsubscribed_reminds_of_the_consent(self, browser):
        bounced("11")

        asked, _after = press(browser, "release", "pro")

        assert "Do not send again without their consent." in text_of(asked)

    def test_leads_who_may_see_no_decision_to_the_mails(self):
        bounced("2")
        browser = browser_of("view_mail", "add_suppression", is_staff=True)

        _asked, after = press(browser, "release")

        assert after.redirect_chain[-1][0].startswith(reverse("admin:cmc_webhooks_mail_changelist"))
        assert suppression.may_send(ADDRESS)

    def test_is_a_record_of_the_trail_and_of_the_log(self, browser):
        bounced("2")

        press(browser, "release", note="she called")

        record, entry = models.Trail.objects.get(), LogEntry.objects.get()
        assert (record.what, record.via, record.who) == (
            "released",
            "admin",
            browser.session["_auth_user_id"],
        )
        assert "user" not in f"{entry.object_repr} {entry.change_message}"
        assert "she called" not in f"{entry.object_repr} {entry.change_message}"


class TestBlock:
    def test_until_a_day(self, browser):
        asked, after = press(browser, "block", until_0="2126-12-24", until_1="", note="asked by phone")

        row = models.Suppression.objects.get()
        assert "Block user@example.jp?" in text_of(asked)
        assert (row.kind, row.note) == ("blocked", "asked by phone")
        assert "user@example.jp is blocked until 2126-12-24." in after.content.decode()

    def test_shows_the_decision_that_it_replaces(self, browser):
        suppression.release(ADDRESS, note="by letter", author="root", via="command")

        asked, _after = press(browser, "block")

        assert "by root" in text_of(asked)
        assert "by letter" in text_of(asked)
        assert models.Suppression.objects.get().kind == "blocked"
        assert LogEntry.objects.get().get_change_message() == "Before: released"


class TestLift:
    def test_asks_cmc_and_shows_its_answer_as_it_came(self, browser, liftable):
        bounced("10")
        liftable.answers.append((200, '{"result": "取り消しました"}'))

        asked, after = press(browser, "lift", "pro", note="she called")

        assert "Remove user@example.jp from CMC&#x27;s own lists" in asked.content.decode()
        assert liftable.asked == [("blocks/cancel", {"server_composition": "pro", "email": ADDRESS})]
        assert "取り消しました" in after.content.decode()
        assert "May be written to." in text_of(after)
        assert models.Suppression.objects.get().kind == "lifted"
        assert models.Trail.objects.get().what == "lifted"

    def test_shows_that_cmc_refused(self, browser, liftable):
        bounced("10")
        fault = '{"errors": [{"code": "12-001", "message": "data <b>not</b> found"}]}'
        liftable.answers.append((400, fault))

        _asked, after = press(browser, "lift", "pro")

        assert "CMC did not remove the address" in after.content.decode()
        assert "data &lt;b&gt;not&lt;/b&gt; found" in after.content.decode()
        assert not suppression.may_send(ADDRESS)

    def test_removes_from_the_chosen_list_alone(self, browser, liftable):
        bounced("10")
        bounced("11")

        asked, after = press(browser, "lift", "pro", lists=["blocked"])

        assert re.findall(r'name="lists" value="(\w+)"[^>]*checked', asked.content.decode()) == ["blocked"]
        assert [action for action, _fields in liftable.asked] == ["blocks/cancel"]
        assert "this person unsubscribed at CMC" in text_of(after)

    def test_wants_one_of_the_lists(self, browser, liftable):
        bounced("10")
        bounced("11")

        for lists in ([], ["others"]):
            _asked, after = press(browser, "lift", "pro", lists=lists)
            assert after.context["form"].errors.keys() == {"lists"}
        assert liftable.asked == []

    def test_says_that_cmc_did_not_answer(self, browser, liftable, monkeypatch):
        bounced("10")
        monkeypatch.setattr("cmc_webhooks.rest.TRIES", 1)
        liftable.answers.append((503, ""))

        _asked, after = press(browser, "lift", "pro")

        assert "CMC did not do it: blocks/cancel: HTTP 503" in after.content.decode()
        assert not suppression.may_send(ADDRESS)

    def test_reminds_of_the_consent_of_who_unsubscribed(self, browser, liftable):
        bounced("11")

        asked = browser.post(url_of("lift"), {"address": ADDRESS, "server_composition": "pro"})

        assert "Do not send again without their consent." in text_of(asked)
        assert liftable.asked == []

    def test_says_that_nothing_is_known_to_lift(self, browser, liftable):
        bounced("2")

        _asked, after = press(browser, "lift", "pro")

        assert "CMC&#x27;s lists of pro are not known to have this address." in after.content.decode()

    @pytest.mark.parametrize("missing", ["REST_MAY_LIFT", "REST_USER", "REST_KEY"])
    def test_has_no_button_where_the_project_does_not_allow_it(self, browser, liftable, settings, missing):
        mail = bounced("10")
        setattr(settings, f"CMC_WEBHOOKS_{missing}", False if missing == "REST_MAY_LIFT" else "")

        assert "lift" not in dict(buttons_of(browser.open_page(mail)))
        _asked, after = press(browser, "lift", "pro")
        assert f"CMC_WEBHOOKS_{missing}" in html.unescape(after.content.decode())
        assert liftable.asked == []

    def test_is_possible_after_a_release(self, browser, liftable):
        bounced("10")
        suppression.release(ADDRESS)

        found = buttons_of(browser.get(url_of("address"), {"address": ADDRESS}))

        assert ("lift", "pro") in found

    def test_runs_outside_a_transaction_of_the_request(self):
        views = {name: pages.SuppressionAdmin.__dict__[f"{name}_view"] for name in NAMES}

        assert all(view._non_atomic_requests >= {"default"} for view in views.values())


@pytest.mark.urls("tests.admin.test_deciding")
class TestSeveralSites:
    def test_lead_to_their_own_pages(self, browser):
        mail = bounced("10")
        suppression.block(ADDRESS)
        home = "/other/cmc_webhooks/"

        for url in (
            f"{home}mail/{mail.pk}/change/",
            f"{home}suppression/",
            f"{home}suppression/suppressed/",
            f"{home}suppression/address/?address={ADDRESS}",
            f"{home}suppression/add/?address={ADDRESS}",
        ):
            page = browser.get(url).content.decode()
            assert "/other/cmc_webhooks/suppression/" in page
            assert '"/admin/' not in page, url
        asked = browser.post(f"{home}suppression/release/", {"address": ADDRESS})
        assert '"/admin/' not in asked.content.decode()
        seen = re.search(r'name="seen" value="([^"]*)"', asked.content.decode())[1]
        given = {"address": ADDRESS, "seen": html.unescape(seen), "confirmed": "yes"}
        answer = browser.post(f"{home}suppression/release/", given)
        assert answer.headers["Location"].startswith(f"{home}suppression/address/")

    def test_show_the_verdict_without_buttons_where_decisions_are_not_registered(self, browser):
        mail = bounced("2")

        answer = browser.get(f"/bare/cmc_webhooks/mail/{mail.pk}/change/")

        assert "Not written to until" in text_of(answer)
        assert buttons_of(answer) == []


class TestMailPage:
    def test_costs_one_statement_for_the_verdict(self, browser, monkeypatch):
        mail = bounced("5")

        def cost():
            return len(statements(lambda: browser.open_page(mail)))

        cost()
        with_verdict = cost()
        monkeypatch.setattr("cmc_webhooks.admin.verdicts.is_address", lambda text: False)
        assert with_verdict == cost() + 1


class TestAdvice:
    @pytest.mark.parametrize("is_at_cmc", [False, True])
    @pytest.mark.parametrize("code", [*BOUNCE_CODES, "77", ""])
    def test_is_never_to_send_to_an_address_that_is_stopped(self, code, is_at_cmc):
        advice = labels.advice(code, is_stopped=True, is_at_cmc=is_at_cmc)

        assert "again later" not in advice
        assert "smaller" not in advice

    @pytest.mark.parametrize("is_stopped", [False, True])
    def test_of_an_unsubscribe_is_always_the_consent(self, is_stopped):
        found = {labels.advice("11", is_stopped=is_stopped, is_at_cmc=held) for held in (False, True)}

        assert found == {"This person asked for no more mail. Do not send again without their consent."}

    @pytest.mark.parametrize("code", ["3", "5", "6", "7", "8"])
    def test_is_to_send_where_mail_is_sent(self, code):
        assert labels.advice(code, is_stopped=False, is_at_cmc=False) != ""
