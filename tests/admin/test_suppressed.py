from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from cmc_webhooks import models, suppression, timezones
from cmc_webhooks.suppression import lists
from tests.admin.conftest import Browser, browser_of, statements
from tests.admin.test_pages import text_of
from tests.helpers import factories

pytestmark = pytest.mark.django_db

LIST = reverse("admin:cmc_webhooks_suppression_suppressed")
EXPORT = reverse("admin:cmc_webhooks_suppression_suppressed_export")


def bounced(address, code, composition="pro"):
    moment = timezone.now() - timedelta(days=1)
    return factories.MailFactory(
        recipient=address,
        bounce_code=code,
        server_composition=composition,
        created_at=moment,
        status_at=moment,
    )


@pytest.fixture
def people():
    bounced("hard@example.jp", "2")
    bounced("held@example.jp", "10", "newsletter")
    bounced("member@other.example", "11", "newsletter")
    factories.BlockEventFactory(
        address="listed@example.jp", occurred_at=timezone.now(), server_composition="pro"
    )
    suppression.block("asked@example.jp", note="by phone")
    suppression.release("free@example.jp")
    factories.MailFactory(recipient="arrived@example.jp", delivery_status="succeeded")


def listed(browser, **filters):
    answer = browser.get(LIST, filters)
    assert answer.status_code == 200, answer.headers
    return {row.address for row in answer.context["rows"]}


class TestSuppressedList:
    ALL = {"hard@example.jp", "held@example.jp", "member@other.example", "listed@example.jp"} | {
        "asked@example.jp"
    }

    def test_has_every_address_that_may_not_be_sent_to_and_no_other(self, browser, people):
        assert listed(browser) == self.ALL
        assert {each for each in self.ALL if not suppression.may_send(each)} == self.ALL

    @pytest.mark.parametrize(
        ("filters", "expected"),
        [
            ({"reason": "hard"}, {"hard@example.jp"}),
            ({"reason": "by_hand"}, {"asked@example.jp"}),
            ({"reason": "blocked"}, {"held@example.jp", "listed@example.jp"}),
            ({"reason": "unsubscribed"}, {"member@other.example"}),
            ({"reason": "soft"}, set()),
            ({"composition": "pro"}, {"hard@example.jp", "listed@example.jp", "asked@example.jp"}),
            ({"composition": "pro", "reason": "blocked"}, {"listed@example.jp"}),
            ({"domain": "other.example"}, {"member@other.example"}),
            ({"domain": "@OTHER.example"}, {"member@other.example"}),
            ({"transactional": "1"}, ALL - {"member@other.example"}),
            ({"reason": "no such"}, ALL),
        ],
    )
    def test_is_filtered(self, browser, people, filters, expected):
        assert listed(browser, **filters) == expected

    def test_says_why_and_links_to_the_address(self, browser, people):
        answer = browser.get(LIST, {"domain": "other.example"})

        url = f"{reverse('admin:cmc_webhooks_suppression_address')}?address=member%40other.example"
        assert f'href="{url}"' in answer.content.decode()
        assert "Not written to through newsletter until" in text_of(answer)

    def test_looks_further_in_steps_and_misses_nobody(self, browser, people, monkeypatch):
        monkeypatch.setattr(lists, "LOOKED_AT", 2)
        found, url = [], f"{LIST}?reason="
        for _ in range(20):
            answer = browser.get(url)
            found += [row.address for row in answer.context["rows"]]
            if not answer.context["further"]:
                break
            assert "Look further" in text_of(answer)
            url = LIST + answer.context["further"]

        assert sorted(found) == sorted(self.ALL)

    def test_keeps_its_filters_when_it_looks_further(self, browser, monkeypatch):
        monkeypatch.setattr(lists, "LOOKED_AT", 2)
        for number in range(5):
            bounced(f"user{number}@example.jp", "2")

        further = browser.get(LIST, {"reason": "hard", "domain": "example.jp"}).context["further"]

        assert further.startswith("?reason=hard&domain=example.jp&after=")

    def test_says_when_there_is_nobody(self, browser):
        assert "No address is suppressed." in text_of(browser.get(LIST))

    @pytest.mark.parametrize("cursor", ["x", "!", "OQ==", "\0", "é"])
    def test_begins_anew_for_an_odd_cursor(self, browser, cursor):
        answer = browser.get(LIST, {"after": cursor, "reason": "hard"})

        assert answer.status_code == 302
        assert answer.headers["Location"] == f"{LIST}?reason=hard"

    def test_is_as_cheap_for_many_addresses_as_for_few(self, browser):
        for number in range(3):
            bounced(f"a{number}@example.jp", "2")
            suppression.block(f"b{number}@example.jp")
        browser.get(LIST)
        few = statements(lambda: browser.get(LIST))
        for number in range(40):
            bounced(f"c{number}@example.jp", "2")
            suppression.block(f"d{number}@example.jp")

        many = statements(lambda: browser.get(LIST))

        assert len(many) == len(few) <= 16
        assert not [sql for sql in many if "COUNT(" in sql]

    @pytest.mark.parametrize("permission", ["view_suppression", "change_suppression"])
    def test_is_for_those_who_may_see_decisions(self, people, permission):
        assert listed(browser_of(permission, is_staff=True)) == self.ALL
        assert browser_of("view_mail", is_staff=True).get(LIST).status_code == 403
        assert browser_of(permission).get(LIST).status_code == 302
        assert Browser().get(LIST).status_code == 302

    def test_has_a_button_on_the_list_of_decisions_and_the_apps_page(self, browser):
        app = browser.get(reverse("admin:app_list", args=["cmc_webhooks"]))

        assert f'href="{LIST}"' in browser.open_list("suppression").content.decode()
        assert f'href="{LIST}"' in app.content.decode()


class TestExport:
    @pytest.fixture
    def exporter(self):
        return browser_of("view_suppression", "export_csv", is_staff=True)

    def rows_of(self, answer):
        assert answer.status_code == 200
        text = b"".join(answer.streaming_content).decode()
        assert text.startswith("\ufeff")
        return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))

    def test_holds_what_is_filtered_and_why(self, exporter, people, settings):
        settings.TIME_ZONE = "Asia/Tokyo"
        verdict = suppression.verdicts(["held@example.jp"])["held@example.jp"]

        rows = self.rows_of(exporter.post(f"{EXPORT}?composition=newsletter&reason=blocked"))

        (row,) = rows
        assert (row["Address"], row["Reason"], row["Server composition"], row["Refused by CMC too"]) == (
            "held@example.jp", "Blocked at CMC", "newsletter", "Yes",
        )  # fmt: skip
        assert row["Until (Asia/Tokyo)"] == f"{timezone.localtime(verdict.until):%Y-%m-%d %H:%M:%S}"

    def test_holds_all_without_filters(self, exporter, people):
        rows = self.rows_of(exporter.post(EXPORT))

        assert {row["Address"] for row in rows} == TestSuppressedList.ALL

    @pytest.mark.parametrize("begin", ["=", "+", "-", "＝", "＠"])
    def test_holds_no_formula(self, exporter, begin):
        suppression.block(f"{begin}1+1@example.jp")

        (row,) = self.rows_of(exporter.post(EXPORT))

        assert row["Address"].startswith(f"'{begin}")

    def test_leaves_a_trail_that_names_nobody(self, exporter, people):
        rows = self.rows_of(exporter.post(f"{EXPORT}?domain=example.jp&reason="))

        record = models.Trail.objects.get(what="exported")
        entry = LogEntry.objects.get()
        assert (record.via, record.who) == ("admin", exporter.session["_auth_user_id"])
        assert record.rows == len(rows) == 4
        assert record.details == {"list": "suppressed", "filters": ["domain"], "format": "csv"}
        assert entry.get_change_message() == "Exported as CSV, filtered by: domain"

    def test_says_in_the_trail_that_it_was_interrupted(self, exporter, people):
        answer = exporter.post(EXPORT)
        answer._on_close()  # as when the client went away

        record = models.Trail.objects.get(what="exported")
        assert (record.rows, record.details["interrupted"]) == (0, True)

    @pytest.mark.parametrize(
        "permissions", [["view_suppression"], ["export_csv"], ["export_csv", "view_mail"]]
    )
    def test_is_for_those_with_both_permissions(self, people, permissions):
        browser = browser_of(*permissions, is_staff=True)

        assert browser.post(EXPORT).status_code == 403
        assert not models.Trail.objects.filter(what="exported").exists()

    def test_is_no_get(self, exporter):
        assert exporter.get(EXPORT).status_code == 405

    def test_has_a_button_that_keeps_the_filters(self, exporter, people):
        page = exporter.get(LIST, {"reason": "hard"}).content.decode()

        assert f'action="{EXPORT}?reason=hard"' in page
        assert EXPORT not in browser_of("view_suppression", is_staff=True).get(LIST).content.decode()

    def test_is_named_for_people(self, exporter, people):
        answer = exporter.post(f"{EXPORT}?reason=hard&domain=example.jp")

        name = f"suppressed-addresses_{timezones.today()}_invalid-address_example-jp.csv"
        assert answer["Content-Disposition"] == f'attachment; filename="{name}"'

    def test_is_a_workbook_where_wanted(self, exporter, people, settings):
        pytest.importorskip("xlsxwriter", reason="the extra xlsx")
        openpyxl = pytest.importorskip("openpyxl")
        url = reverse("admin:cmc_webhooks_suppression_suppressed_export_file", args=["xlsx"])

        written = io.BytesIO(b"".join(exporter.post(url).streaming_content))

        _, *rows = openpyxl.load_workbook(written).active.iter_rows(values_only=True)
        assert {address for address, *_ in rows} == TestSuppressedList.ALL
        assert f'action="{url}?reason=hard"' in exporter.get(LIST, {"reason": "hard"}).content.decode()

        settings.CMC_WEBHOOKS_MAX_XLSX_ROWS = 2
        answer = exporter.post(f"{url}?reason=", follow=True)
        assert "This list has more than 2 rows" in answer.content.decode()
        assert LogEntry.objects.count() == 1
        assert exporter.post(url.replace("xlsx", "pdf")).status_code == 404
