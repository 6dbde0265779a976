from __future__ import annotations

import csv
import io
import tracemalloc

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from cmc_webhooks import models
from cmc_webhooks.admin import export
from cmc_webhooks.downloads import streaming
from tests.admin.conftest import browser_of, statements
from tests.helpers import factories

pytestmark = pytest.mark.django_db


def export_of(browser, name, **filters):
    return browser.post(reverse(f"admin:cmc_webhooks_{name}_export"), query_params=filters)


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

        assert [row["message_id"] for row in rows] == [bounced.message_id]
        assert rows[0]["subject"] == "件名, と\n改行"
        assert (rows[0]["bounce_class"], rows[0]["reason"]) == ("hard", '"550"')

    @pytest.mark.parametrize("name", ["deliveryevent", "bounceevent"])
    def test_holds_events_with_their_mails(self, exporter, name):
        factory = {
            "deliveryevent": factories.DeliveryEventFactory,
            "bounceevent": factories.BounceEventFactory,
        }
        event = factory[name](extra={"a": "é"})

        (row,) = rows_of(export_of(exporter, name))

        assert row["mail.recipient"] == event.mail.recipient
        assert row["extra"] == '{"a": "é"}'

    def test_names_the_zone_of_its_times(self, exporter, settings):
        settings.TIME_ZONE = "Asia/Tokyo"
        factories.MailFactory(created_at=factories.START)

        (row,) = rows_of(export_of(exporter, "mail"))

        assert row["created_at (Asia/Tokyo)"] == "2023-01-25 14:00:00"

    @pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"])
    def test_holds_no_formula(self, exporter, begin):
        mail = factories.MailFactory(subject=f"{begin}1+1", reason=f"x{begin}1")

        (row,) = rows_of(export_of(exporter, "mail"))

        assert (row["subject"], row["reason"]) == (f"'{begin}1+1", f"x{begin}1")
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
