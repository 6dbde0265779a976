"""D37 to D39: the search box takes what keyboards and clipboards give, and tries what a person may mean."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models.expressions import RawSQL
from django.utils import timezone, translation

from cmc_webhooks import audit, models, timezones
from cmc_webhooks.admin import search, shares
from tests.admin.conftest import browser_of
from tests.helpers import factories

pytestmark = pytest.mark.django_db

ADDRESS = "taro@example.jp"
TYPED = [
    "ｔａｒｏ＠ｅｘａｍｐｌｅ．ｊｐ",
    "mailto:taro@example.jp",
    "MAILTO:taro@example.jp?subject=x",
    '"taro@example.jp"',
    "(taro@example.jp)",
    "「taro@example.jp」",
    "taro@example.jp;",
    "taro@example.jp,",
    "taro@example.jp。",
    "\u200btaro@example.jp\ufeff",
    "\u3000taro@example.jp\u3000",
    "ta\u00adro@example.jp",
    "<mailto:taro@example.jp>",
    "taro＠example.jp",
    " 'taro@example.jp' ",
]


@pytest.fixture
def browser():
    return browser_of(is_staff=True, is_superuser=True)


@pytest.fixture
def mail():
    factories.MailFactory(recipient="jiro@example.jp", subject="別の件")
    return factories.MailFactory(
        recipient=ADDRESS, api_data="cmp-2026-11-bf", message_id="<m-1@shop.example>"
    )


class TestD37:
    @pytest.mark.parametrize("typed", TYPED, ids=ascii)
    @pytest.mark.parametrize("name", ["mail", "deliveryevent"])
    def test_finds_the_address_and_names_it(self, browser, mail, typed, name):
        event = factories.DeliveryEventFactory(mail=mail)

        answer = browser.open_list(name, q=typed)

        assert list(answer.context["cl"].result_list) == [mail if name == "mail" else event]
        assert f"the address “{ADDRESS}”" in answer.context["meaning"].words
        assert answer.context["meaning"].address == ADDRESS

    @pytest.mark.parametrize(
        "typed", ["ｍ－１＠ｓｈｏｐ．ｅｘａｍｐｌｅ", "(m-1@shop.example)", "＜m-1@shop.example＞"]
    )
    def test_finds_a_message_id(self, browser, mail, typed):
        assert browser.listed("mail", q=typed) == [mail]

    @pytest.mark.parametrize(
        "typed", ["＠ｅｘａｍｐｌｅ．ｊｐ", "“@example.jp”", "example.jp。", "ＥＸＡＭＰＬＥ．ｊｐ"]
    )
    def test_finds_a_domain(self, browser, mail, typed):
        assert mail in browser.listed("mail", q=typed)

    @pytest.mark.parametrize(
        "typed", ["ｃｍｐ－２０２６－１１－ｂｆ", "「cmp-2026-11-bf」", "cmp-2026-11-bf、"]
    )
    def test_finds_api_data(self, browser, mail, typed):
        assert browser.listed("mail", q=typed) == [mail]

    def test_finds_what_is_stored_in_another_form(self, browser):
        wide = factories.MailFactory(api_data="ＡＢＣ－１")
        quoted = factories.MailFactory(api_data='"7"')

        assert browser.listed("mail", q="ＡＢＣ－１") == [wide]
        assert browser.listed("mail", q='"7"') == [quoted]

    @pytest.mark.parametrize(
        "typed",
        [
            "taro@example.jp, jiro@example.jp",
            "taro@example.jp jiro@example.jp",
            "<taro@example.jp>;jiro＠example.jp",
        ],
    )
    def test_finds_several_addresses(self, browser, mail, typed):
        factories.MailFactory(recipient="hanako@example.jp")

        answer = browser.open_list("mail", q=typed)

        assert {each.address for each in answer.context["cl"].result_list} == {ADDRESS, "jiro@example.jp"}
        assert answer.context["meaning"].words == "the addresses “taro@example.jp”, “jiro@example.jp”"

    @pytest.mark.parametrize(
        "typed", [*TYPED, "to=<taro@example.jp>, relay=mx", "Taro <TARO@example.jp>"], ids=ascii
    )
    @pytest.mark.parametrize("name", ["blockevent", "suppression", "trail"])
    def test_finds_the_address_in_lists_of_addresses(self, browser, typed, name):
        hashed = audit.address_hashes(ADDRESS)[0]
        made = {
            "blockevent": lambda: factories.BlockEventFactory(address=ADDRESS),
            "suppression": lambda: factories.SuppressionFactory(address=ADDRESS),
            "trail": lambda: factories.TrailFactory(address_hash=hashed),
        }[name]()
        {
            "blockevent": factories.BlockEventFactory,
            "suppression": factories.SuppressionFactory,
            "trail": factories.TrailFactory,
        }[name]()

        answer = browser.open_list(name, q=typed)

        assert list(answer.context["cl"].result_list) == [made]
        assert name == "trail" or answer.context["statement"].address == ADDRESS

    @pytest.mark.parametrize(
        "typed", ["", "、。", '""', "\u200b", "mailto:", "x" * 5000, "\0", "()"], ids=ascii
    )
    def test_survives_what_is_nothing(self, browser, mail, typed):
        assert browser.open_list("mail", q=typed).status_code == 200

    def test_normalises_no_long_text(self):
        assert search.plain("\u0300" * 100_000) == "\u0300" * 100_000


class TestD38:
    @pytest.fixture
    def people(self):
        recipients = [
            "hanako.yamada@example.jp",
            "hanako@example.jp",
            "Hanako2@example.jp",
            "hana@example.jp",
        ]
        return [factories.MailFactory(recipient=recipient) for recipient in recipients]

    @pytest.mark.parametrize(
        ("typed", "found"),
        [
            ("hanako", [0, 2, 1]),
            ("HANAKO", [0, 2, 1]),
            ("ｈａｎａｋｏ", [0, 2, 1]),
            ("hanako.yamada@", [0]),
            ("hanako@exa", [1]),
            ("hana", [3, 0, 2, 1]),
            ("hanak%", []),
            ("hana_o", []),
            ("anako", []),
        ],
    )
    def test_the_beginning_of_an_address_is_found(self, browser, people, typed, found):
        answer = browser.open_list("mail", q=typed)

        assert list(answer.context["cl"].result_list) == [people[number] for number in found]
        shown = search.plain(typed)
        words = f"addresses that begin with “{shown}”" if found else f"the word “{shown}” in the subjects"
        assert words in answer.context["meaning"].words

    @pytest.mark.parametrize(
        ("language", "words"),
        [("en", "Looked for addresses that begin with “hanako”."), ("ja", "「hanako」で始まる宛先のメール")],
    )
    def test_the_page_says_so(self, browser, people, language, words):
        with translation.override(language):
            assert words in browser.open_list("mail", q="hanako").content.decode()

    def test_pages_go_on_in_the_order_of_addresses(self, browser, monkeypatch):
        monkeypatch.setattr(type(admin.site.get_model_admin(models.Mail)), "list_per_page", 3)
        recipients = [f"aaa,%2C{number}@example.jp" for number in range(7)]
        for recipient in reversed(recipients):
            factories.MailFactory(recipient=recipient)

        shown, url = [], "?q=aaa,"
        while url:
            answer = browser.get(f"/admin/cmc_webhooks/mail/{url}")
            shown += [mail.recipient for mail in answer.context["cl"].result_list]
            url = answer.context["cl"].next_query

        assert shown == recipients

    def test_at_most_200_addresses_are_taken(self, browser):
        recipients = [f"max{number:03}@example.jp" for number in range(205)]
        models.Mail.objects.bulk_create(
            factories.MailFactory.build(recipient=each) for each in recipients * 2
        )

        answer = browser.open_list("mail", q="max")

        assert answer.context["meaning"].words == "the first 200 addresses that begin with “max”"
        assert answer.context["cl"].queryset.count() == 400
        assert browser.open_list("mail", q="max00").context["cl"].queryset.count() == 20

    def test_two_letters_are_no_beginning(self, browser, people):
        assert not browser.open_list("mail", q="ha").context["meaning"].is_by_address

    @pytest.mark.parametrize("name", ["deliveryevent", "bounceevent"])
    def test_events_are_found_too(self, browser, people, name):
        event = {
            "deliveryevent": factories.DeliveryEventFactory,
            "bounceevent": factories.BounceEventFactory,
        }[name](mail=people[0])

        assert browser.listed(name, q="hanako") == [event]

    @pytest.mark.parametrize("typed", ["cmp", "CMP-2026", "ｃｍｐ-2026-11-", "「cmp-2026-11-b」"])
    @pytest.mark.parametrize("name", ["mail", "deliveryevent"])
    def test_the_beginning_of_api_data_is_found(self, browser, mail, typed, name):
        event = factories.DeliveryEventFactory(mail=mail)

        answer = browser.open_list(name, q=typed)

        assert list(answer.context["cl"].result_list) == [mail if name == "mail" else event]
        assert answer.context["meaning"].words == f"API data that begin with “{search.plain(typed)}”"

    @pytest.mark.parametrize(
        ("typed", "found"),
        [
            ("order-1", ["order-1"]),
            ("order-", ["order-1", "order-12", "ORDER-3"]),
            ("ORDER", ["order-1", "order-12", "ORDER-3"]),
            ("注文-2", ["注文-20", "注文-21"]),
            ("a b", ["a b c"]),
            ("or", []),
            ("rder-1", []),
            ("order%", []),
            ("order_1", []),
        ],
    )
    def test_a_whole_value_comes_before_its_beginning(self, browser, typed, found):
        for api_data in ("order-1", "order-12", "ORDER-3", "注文-20", "注文-21", "a b c", ""):
            factories.MailFactory(api_data=api_data)

        assert {mail.api_data for mail in browser.listed("mail", q=typed)} == set(found)

    def test_an_address_comes_before_api_data(self, browser, people):
        factories.MailFactory(api_data="hanako-7")

        assert browser.open_list("mail", q="hanako").context["meaning"].is_by_address
        assert browser.listed("mail", q="hanako-")[0].api_data == "hanako-7"

    def test_at_most_200_values_are_taken(self, browser):
        values = [f"max{number:03}" for number in range(205)]
        models.Mail.objects.bulk_create(factories.MailFactory.build(api_data=each) for each in values * 2)

        answer = browser.open_list("mail", q="max")

        assert answer.context["meaning"].words == "the first 200 API data that begin with “max”"
        assert answer.context["cl"].queryset.count() == 400

    def test_a_beginning_that_most_mails_have_is_stopped(self, browser, mail, monkeypatch):
        monkeypatch.setattr(search, "SECONDS", 0)

        answer = browser.open_list("mail", q="cmp-2026")

        assert answer.status_code == 200
        assert "took too long" in answer.content.decode()
        assert answer.context["ways_on"] == []

    @pytest.mark.parametrize("between", [" ", ", ", ";", "\u3000", "、", "\t"])
    def test_several_ids_and_values_are_found(self, browser, people, between):
        first, second, third, _ = people
        models.Mail.objects.filter(pk=third.pk).update(api_data="order-3")
        models.Mail.objects.filter(pk=second.pk).update(api_data="ORDER-2")

        def found(*values):
            return {mail.pk for mail in browser.listed("mail", q=between.join(map(str, values)))}

        assert found(first.pk, third.pk) == {first.pk, third.pk}
        assert found(first.message_id, second.message_id) == {first.pk, second.pk}
        assert found("order-2", "order-3", "order-4") == {second.pk, third.pk}
        assert found("nothing", "order-8") == set()

    @pytest.mark.parametrize(
        ("typed", "found"),
        [
            ("Hanako <hanako@example.jp>; hana@example.jp", [1, 3]),
            ('"Yamada, Hanako" <hanako.yamada@example.jp>, <hana@example.jp>', [0, 3]),
            ("To: hanako@example.jp", [1]),
            ("to=<hanako@example.jp>, relay=mx.example.jp[192.0.2.1]:25, status=bounced", [1]),
            ("山田様（hanako@example.jp）", [1]),
            ("hanako@example.jp からの返信", [1]),
            ("hanako＠example.jp、hana＠example.jp", [1, 3]),
        ],
    )
    def test_addresses_are_found_inside_a_line(self, browser, people, typed, found):
        answer = browser.open_list("mail", q=typed)

        assert {mail.pk for mail in answer.context["cl"].result_list} == {people[each].pk for each in found}
        assert answer.context["meaning"].address == (people[found[0]].recipient if len(found) == 1 else "")

    @pytest.mark.parametrize("typed", ["CMP-2026-11-BF", "cmp-2026-11-bf", "ＣＭＰ-2026-11-ＢＦ"])
    def test_api_data_is_found_in_either_case(self, browser, mail, typed):
        assert browser.listed("mail", q=typed) == [mail]

    def test_a_mails_own_id_is_found(self, browser, mail):
        for typed in (str(mail.pk), mail.pk.hex, f"({mail.pk})", str(mail.pk).upper()):
            assert browser.listed("mail", q=typed) == [mail]

    def test_another_id_finds_nothing(self, browser, mail):
        assert browser.listed("mail", q="00000000-0000-0000-0000-000000000000") == []


class TestD39:
    @pytest.fixture(autouse=True)
    def _mails(self):
        now = timezone.now()
        for days, subject in (
            (7, "ブラックフライデー直前"),
            (40, "ブラックフライデー予告"),
            (100, "ブラックフライデー"),
        ):
            factories.MailFactory(subject=subject, created_at=now - timedelta(days=days))

    @pytest.mark.parametrize(
        ("language", "words", "link"),
        [
            ("en", "in the subjects of the past 31 days", "The 31 days before"),
            ("ja", "過去 31 日間の件名", "その前の 31 日間"),
        ],
    )
    def test_a_word_is_looked_for_in_the_latest_subjects_at_once(self, browser, language, words, link):
        with translation.override(language):
            answer = browser.open_list("mail", q="ブラックフライデー")

        assert [each.subject for each in answer.context["cl"].result_list] == ["ブラックフライデー直前"]
        page = answer.content.decode()
        assert words in page
        assert link in page

    def test_links_lead_back_31_days_at_a_time(self, browser):
        answer = browser.open_list("mail", q="ブラックフライデー")
        found = []
        for _ in range(3):
            *_, way = answer.context["ways_on"]
            answer = browser.get(f"/admin/cmc_webhooks/mail/{way.url}")
            found.append([each.subject for each in answer.context["cl"].result_list])

        assert found == [["ブラックフライデー予告"], [], ["ブラックフライデー"]]

    @pytest.mark.parametrize(
        ("language", "text"),
        [
            ("en", "None with this filter; 4 without it."),
            ("ja", "この条件では 0 件、条件なしでは 4 件あります。"),
        ],
    )
    def test_says_what_the_filter_hides(self, browser, language, text):
        mails = [factories.MailFactory(recipient="hanako@example.jp", bounce_code="2") for _ in range(4)]

        with translation.override(language):
            answer = browser.open_list("mail", q="hanako@example.jp", status="succeeded")

        assert text in answer.content.decode()
        [way] = answer.context["ways_on"]
        listed = browser.get(f"/admin/cmc_webhooks/mail/{way.url}").context["cl"].result_list
        assert {each.pk for each in listed} == {each.pk for each in mails}

    def test_says_nothing_where_nothing_is_hidden(self, browser):
        factories.MailFactory(recipient="hanako@example.jp", bounce_code="2")

        assert browser.open_list("mail", q="hanako@example.jp", status="bounced").context["ways_on"] == []


class TestTimeLimit:
    """A search of subjects that takes too long is stopped, and the page says so."""

    SLOW = {
        "sqlite": "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n)",
        "postgresql": "(SELECT pg_sleep(3600)::text)",
        "mysql": "SLEEP(3600)",
    }

    @pytest.fixture(autouse=True)
    def _mail(self):
        mail = factories.MailFactory(subject="ブラックフライデー直前", created_at=timezone.now())
        factories.DeliveryEventFactory(mail=mail)
        factories.BounceEventFactory(mail=mail)

    @pytest.fixture
    def slow(self, monkeypatch):
        monkeypatch.setattr(search, "SECONDS", 0.05)
        monkeypatch.setattr(search, "_with_subject", lambda mails, text: self.slowly(mails))

    def slowly(self, mails):
        return mails.annotate(slow=RawSQL(self.SLOW[connection.vendor], [])).exclude(slow="1")  # noqa: S611

    @pytest.mark.parametrize("name", ["mail", "deliveryevent", "bounceevent"])
    @pytest.mark.parametrize(
        ("language", "words", "link"),
        [
            ("en", "The search was stopped because it took too long. Choose fewer days.", "Search %s only"),
            ("ja", "時間がかかりすぎるため、検索を中止しました。期間を短くしてください。", "%sだけを検索"),
        ],
    )
    def test_the_page_says_so(self, browser, slow, name, language, words, link):
        today = timezones.today()
        week = f"{today - timedelta(days=6)} to {today}" if language == "en" else ""

        with translation.override(language):
            answer = browser.open_list(name, q="ブラック")

        page = answer.content.decode()
        assert answer.status_code == 200
        assert words in page
        assert "Nothing found" not in page
        assert "0 rows" not in page
        assert models.Mail.objects.count() == 1  # the transaction goes on
        [way] = answer.context["ways_on"]
        assert way.label == link % (week or f"{today - timedelta(days=6)}～{today}")

    def test_links_lead_to_fewer_days_until_there_is_one(self, browser, slow):
        answer = browser.open_list("mail", q="ブラック")
        chosen = []
        while answer.context["ways_on"]:
            [way] = answer.context["ways_on"]
            answer = browser.get(f"/admin/cmc_webhooks/mail/{way.url}")
            chosen.append((answer.wsgi_request.GET["from"], answer.wsgi_request.GET["to"]))

        today = timezones.today()
        assert chosen == [(str(today - timedelta(days=6)), str(today)), (str(today), str(today))]

    def test_the_link_to_fewer_days_finds_the_mail(self, browser, slow, monkeypatch):
        [way] = browser.open_list("mail", q="ブラック").context["ways_on"]
        monkeypatch.undo()

        found = browser.get(f"/admin/cmc_webhooks/mail/{way.url}").context["cl"].result_list

        assert [mail.subject for mail in found] == ["ブラックフライデー直前"]

    def test_a_page_is_shown_without_a_total_where_counting_takes_too_long(self, browser, monkeypatch):
        def count(mails, changelist):
            return list(self.slowly(mails))

        monkeypatch.setattr(search, "SECONDS", 1)
        monkeypatch.setattr(shares, "of", count)

        answer = browser.open_list("mail", q="ブラック")

        assert len(answer.context["cl"].result_list) == 1
        assert answer.context["cl"].total is None
        assert "took too long" not in answer.content.decode()

    def test_a_filter_that_hides_all_is_not_counted_for_longer(self, browser, slow):
        answer = browser.open_list("mail", q="ブラック", status="bounced")

        assert answer.status_code == 200
        assert not [way for way in answer.context["ways_on"] if "without it" in way.label]

    @pytest.mark.parametrize("typed", ["taro@example.net", "order-1", "@example.net"])
    def test_what_an_index_finds_has_no_limit(self, browser, monkeypatch, typed):
        monkeypatch.setattr(search, "SECONDS", 0)
        mail = factories.MailFactory(recipient="taro@example.net", api_data="order-1")

        assert browser.listed("mail", q=typed) == [mail]
