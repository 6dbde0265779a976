from __future__ import annotations

import csv
import io
import tracemalloc

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from cmc_webhooks import models
from cmc_webhooks.admin import export
from cmc_webhooks.downloads import streaming, workbooks
from tests.admin.conftest import browser_of, statements
from tests.helpers import factories

pytestmark = pytest.mark.django_db

OF_MAILS = {"Subject", "Header from", "Return path", "API data", "Server composition"}


def export_of(browser, name, *, contents="rows", extension="csv", **filters):
    url = reverse(f"admin:cmc_webhooks_{name}_export_file", args=[contents, extension])
    if (contents, extension) == ("rows", "csv"):
        url = reverse(f"admin:cmc_webhooks_{name}_export")
    return browser.post(url, query_params=filters)


def rows_of(answer):
    text = b"".join(answer.streaming_content).decode()
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


@pytest.fixture
def exporter():
    names = ("mail", "deliveryevent", "bounceevent")
    return browser_of("export_csv", *(f"view_{name}" for name in names), is_staff=True)


class TestExport:
    def test_holds_what_is_filtered(self, exporter):
        factories.MailFactory()
        bounced = factories.MailFactory(bounce_code="2", subject="件名, と\n改行", reason='"550"')

        rows = rows_of(export_of(exporter, "mail", status="bounced"))

        assert [row["Message id"] for row in rows] == [bounced.message_id]
        assert rows[0]["Subject"] == "件名, と\n改行"
        assert (rows[0]["Reason"], rows[0]["Bounce class"]) == ("No such mailbox", "Invalid address (hard)")
        assert (rows[0]["Bounce code"], rows[0]["The server's answer"]) == ("2", '"550"')

    @pytest.mark.parametrize("name", ["deliveryevent", "bounceevent"])
    def test_holds_events_with_their_mails(self, exporter, name):
        factory = {
            "deliveryevent": factories.DeliveryEventFactory,
            "bounceevent": factories.BounceEventFactory,
        }
        event = factory[name](extra={"a": "é"})

        (row,) = rows_of(export_of(exporter, name))

        assert row["Recipient"] == event.mail.recipient
        assert row["Other values"] == '{"a": "é"}'

    def test_names_the_zone_of_its_times(self, exporter, settings):
        settings.TIME_ZONE = "Asia/Tokyo"
        factories.MailFactory(created_at=factories.START)

        (row,) = rows_of(export_of(exporter, "mail"))

        assert row["First notification received (Asia/Tokyo)"] == "2023-01-25 14:00:00"

    @pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"])
    def test_holds_no_formula(self, exporter, begin):
        mail = factories.MailFactory(subject=f"{begin}1+1", reason=f"x{begin}1")

        (row,) = rows_of(export_of(exporter, "mail"))

        assert (row["Subject"], row["The server's answer"]) == (f"'{begin}1+1", f"x{begin}1")
        assert models.Mail.objects.get().subject == mail.subject

    def test_is_read_page_by_page(self, exporter, monkeypatch):
        monkeypatch.setattr(export, "ROWS_AT_ONCE", 10)
        factories.DeliveryEventFactory.create_batch(35)

        sent = statements(lambda: rows_of(export_of(exporter, "deliveryevent")))

        assert len([sql for sql in sent if "LIMIT 11" in sql]) == 4

    def test_takes_no_more_memory_for_more_rows(self, exporter, monkeypatch):
        monkeypatch.setattr(export, "ROWS_AT_ONCE", 100)
        monkeypatch.setattr(streaming, "CHUNK", 10_000)
        factories.MailFactory.create_batch(200)

        def peak():
            tracemalloc.start()
            size = sum(len(part) for part in export_of(exporter, "mail").streaming_content)
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            return size, most

        peak()
        small, few = peak()
        factories.MailFactory.create_batch(1000)
        large, many = peak()

        assert large > 5 * small
        assert many < few + 300_000

    def test_is_noted_in_the_log_without_what_was_searched(self, exporter):
        mail = factories.MailFactory()

        export_of(exporter, "mail", q=mail.address, status="queued")

        entry = LogEntry.objects.get()
        assert str(entry.user_id) == exporter.session["_auth_user_id"]
        assert entry.get_change_message() == "Exported as CSV, filtered by: q, status"

    @pytest.mark.parametrize(
        "permissions", [["view_mail"], ["export_csv"], ["export_csv", "view_bounceevent"]]
    )
    def test_is_for_those_with_both_permissions(self, permissions):
        factories.MailFactory()
        browser = browser_of(*permissions, is_staff=True)

        answer = export_of(browser, "mail")

        assert answer.status_code == 403
        assert not LogEntry.objects.exists()
        assert b"mail/export/" not in browser.open_list("mail").content

    def test_is_no_get_and_takes_no_odd_filter(self, exporter):
        assert exporter.get(reverse("admin:cmc_webhooks_mail_export")).status_code == 405
        assert export_of(exporter, "mail", status="x").status_code == 400

    def test_has_a_button_that_keeps_the_filters(self, exporter):
        page = exporter.open_list("mail", status="queued").content.decode()

        assert f'action="{reverse("admin:cmc_webhooks_mail_export")}?status=queued"' in page

    def test_has_no_text_of_mails_for_those_who_may_not_see_them(self, exporter):
        factories.DeliveryEventFactory()
        browser = browser_of("export_csv", "view_deliveryevent", is_staff=True)

        (row,) = rows_of(export_of(browser, "deliveryevent"))
        (whole,) = rows_of(export_of(exporter, "deliveryevent"))

        assert whole.keys() - row.keys() == OF_MAILS
        assert row["Recipient"] == whole["Recipient"]

    def test_has_no_subject_where_none_is_stored(self, exporter, settings):
        settings.CMC_WEBHOOKS_STORE_SUBJECT = False
        factories.BounceEventFactory()

        for name in ("mail", "bounceevent"):
            assert "Subject" not in rows_of(export_of(exporter, name))[0]


class TestWorkbook:
    @pytest.fixture(autouse=True)
    def _extra(self):
        pytest.importorskip("xlsxwriter", reason="the extra xlsx")

    def sheet_of(self, answer):
        openpyxl = pytest.importorskip("openpyxl")
        assert answer.status_code == 200, answer.headers
        return openpyxl.load_workbook(io.BytesIO(b"".join(answer.streaming_content))).active

    def test_has_what_the_csv_has(self, exporter, settings):
        settings.TIME_ZONE = "Asia/Tokyo"
        factories.MailFactory(bounce_code="2", api_data="00012345", subject="=1+1")

        (row,) = rows_of(export_of(exporter, "mail"))
        answer = export_of(exporter, "mail", extension="xlsx")
        sheet = self.sheet_of(answer)

        headings, cells = list(sheet.iter_rows())
        assert [cell.value for cell in headings] == list(row)
        found = {heading.value: cell for heading, cell in zip(headings, cells, strict=True)}
        assert (found["API data"].data_type, found["API data"].value) == ("s", "00012345")
        assert (found["Subject"].data_type, found["Subject"].value) == ("s", "=1+1")
        at = found["Status changed at (Asia/Tokyo)"]
        assert at.is_date
        assert f"{at.value:%Y-%m-%d %H:%M:%S}" == row["Status changed at (Asia/Tokyo)"]
        assert answer["Content-Type"] == workbooks.CONTENT_TYPE

    def test_is_read_page_by_page(self, exporter, monkeypatch):
        monkeypatch.setattr(export, "ROWS_AT_ONCE", 10)
        factories.DeliveryEventFactory.create_batch(35)

        sent = statements(lambda: self.sheet_of(export_of(exporter, "deliveryevent", extension="xlsx")))

        assert len([sql for sql in sent if "LIMIT 11" in sql]) == 4

    def test_is_for_lists_up_to_a_number_of_rows(self, exporter, settings):
        settings.CMC_WEBHOOKS_MAX_XLSX_ROWS = 1000
        factories.MailFactory.create_batch(3, bounce_code="2")
        settings.CMC_WEBHOOKS_MAX_XLSX_ROWS = 2

        answer = export_of(exporter, "mail", extension="xlsx", status="bounced")

        assert answer["Location"].endswith("mail/?status=bounced")
        text = exporter.get(answer["Location"]).content.decode()
        assert "This list has more than 2 rows, the limit for Excel files." in text
        assert "Export as CSV" in text
        assert not LogEntry.objects.exists()
        settings.CMC_WEBHOOKS_MAX_XLSX_ROWS = 3
        assert self.sheet_of(export_of(exporter, "mail", extension="xlsx")).max_row == 4

    def test_is_noted_in_the_log_and_the_trail(self, exporter):
        factories.MailFactory.create_batch(3)

        self.sheet_of(export_of(exporter, "mail", extension="xlsx", status="queued"))

        record = models.Trail.objects.get(what="exported")
        assert (record.rows, record.details["format"]) == (3, "xlsx")
        assert LogEntry.objects.get().get_change_message() == "Exported as Excel, filtered by: status"

    def test_is_not_offered_without_the_extra(self, exporter, monkeypatch):
        monkeypatch.setattr(workbooks, "find_spec", lambda name: None)
        page = exporter.open_list("mail").content.decode()

        assert "Export as CSV" in page
        assert "Excel" not in page
        assert export_of(exporter, "mail", extension="xlsx").status_code == 404


class TestAddresses:
    def rows_of(self, browser, name="mail", **filters):
        return rows_of(export_of(browser, name, contents="addresses", **filters))

    @pytest.fixture
    def bounced(self):
        for code in ("5", "5", "2"):
            mail = factories.MailFactory(recipient="Hanako <Hanako@example.jp>", bounce_code=code)
            last = factories.BounceEventFactory(mail=mail, bounce_code=code)
        other = factories.MailFactory(recipient="taro@example.jp", bounce_code="4")
        factories.BounceEventFactory(mail=other, bounce_code="4")
        factories.MailFactory(recipient="hanako@example.jp", delivery_status="succeeded")
        return last

    @pytest.mark.parametrize("name", ["mail", "bounceevent"])
    def test_has_one_row_for_each_that_bounced(self, exporter, bounced, settings, name):
        settings.CMC_WEBHOOKS_SUPPRESSION = {"expires": None}
        settings.TIME_ZONE = "Asia/Tokyo"

        rows = {row["Address"]: row for row in self.rows_of(exporter, name)}

        assert rows.keys() == {"hanako@example.jp", "taro@example.jp"}
        hanako = rows["hanako@example.jp"]
        assert (hanako["Times bounced"], hanako["Last reason"]) == ("3", "No such mailbox")
        assert rows["taro@example.jp"]["May I send?"] == "Yes"
        last = bounced.occurred_at if name == "bounceevent" else bounced.mail.status_at
        assert hanako["Last bounce (Asia/Tokyo)"] == export.timezones.format_local(last)

    def test_says_whom_one_may_not_write_to(self, exporter, bounced, settings):
        settings.CMC_WEBHOOKS_SUPPRESSION = {"expires": None}
        models.Mail.objects.filter(delivery_status="succeeded").delete()

        rows = {row["Address"]: row for row in self.rows_of(exporter)}

        assert rows["hanako@example.jp"]["May I send?"] == "No"
        assert rows["hanako@example.jp"]["Explanation"] == "Not written to: the address is not valid."

    def test_is_filtered_like_the_list(self, exporter, bounced):
        assert [row["Address"] for row in self.rows_of(exporter, bounce_class="policy")] == [
            "taro@example.jp"
        ]

    def test_has_no_verdict_for_those_who_may_not_see_it(self, bounced):
        browser = browser_of("export_csv", "view_bounceevent", is_staff=True)

        rows = self.rows_of(browser, "bounceevent")

        assert {*rows[0]}.isdisjoint({"May I send?", "Explanation"})

    def test_asks_once_for_many_addresses(self, exporter, monkeypatch):
        monkeypatch.setattr(export, "ROWS_AT_ONCE", 10)
        for number in range(25):
            factories.MailFactory(recipient=f"{number}@example.jp", bounce_code="2")

        sent = statements(lambda: self.rows_of(exporter))

        assert len([sql for sql in sent if "LIMIT 11" in sql]) == 3
        verdicts = [sql for sql in sent if "cmc_webhooks_suppression" in sql]
        assert len(verdicts) == 3 + 1  # the list itself asks for its page

    def test_is_for_a_number_of_addresses(self, exporter, bounced, monkeypatch):
        monkeypatch.setattr(export, "MOST_ADDRESSES", 1)

        answer = export_of(exporter, "mail", contents="addresses", bounce_class="hard")
        refused = export_of(exporter, "mail", contents="addresses")

        assert answer.status_code == 200
        assert refused.status_code == 302
        page = exporter.get(refused["Location"]).content.decode()
        assert "More than 1 addresses bounced. Choose fewer days beside the list." in page

    def test_is_offered_where_there_are_bounces(self, exporter):
        assert "Addresses as CSV" in exporter.open_list("bounceevent").content.decode()
        assert "Addresses as" not in exporter.open_list("deliveryevent").content.decode()
        assert export_of(exporter, "deliveryevent", contents="addresses").status_code == 404
        assert export_of(exporter, "mail", contents="people").status_code == 404


class TestFileName:
    def name_of(self, browser, name, **filters):
        return export_of(browser, name, **filters)["Content-Disposition"]

    def test_says_what_and_when(self, exporter):
        days = {"from": "2026-10-01", "to": "2026-10-31"}

        assert self.name_of(exporter, "bounceevent", **days) == (
            'attachment; filename="bounces_2026-10-01_2026-10-31.csv"'
        )

    def test_names_the_filters_but_nobody(self, exporter):
        filters = {"status": "bounced", "bounce_class": "hard", "q": "hanako@example.jp", "since": "today"}
        today = export.timezones.today()

        assert self.name_of(exporter, "mail", **filters) == (
            f'attachment; filename="mails_{today}_{today}_bounced_invalid-address-hard_search.csv"'
        )

    def test_has_an_end_without_a_beginning(self, exporter):
        today = export.timezones.today()

        assert f'"mails_until-{today}.csv"' in self.name_of(exporter, "mail")
        assert f'"mails_2026-10-01_{today}.csv"' in self.name_of(exporter, "mail", **{"from": "2026-10-01"})

    def test_has_the_days_that_a_filter_reaches(self, exporter):
        answer = self.name_of(exporter, "bounceevent", bounce_class="hard", to="2026-10-31")

        assert '"bounces_2026-10-01_2026-10-31_invalid-address-hard.csv"' in answer

    def test_says_what_the_rows_are(self, exporter):
        answer = self.name_of(exporter, "bounceevent", contents="addresses", to="2026-10-31")

        assert '"bounces_addresses_until-2026-10-31.csv"' in answer
