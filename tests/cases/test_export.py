from __future__ import annotations

import csv
import io
import re
from urllib.parse import quote

import pytest
from django.utils import translation

from cmc_webhooks import models
from cmc_webhooks.downloads import csv_cells
from tests import cases
from tests.admin.conftest import browser_of
from tests.admin.test_export import OF_MAILS, export_of, rows_of
from tests.conftest import CASES, bounce, delivery

pytestmark = pytest.mark.django_db


@pytest.fixture
def exporter():
    return browser_of("export_csv", "view_mail", is_staff=True)


class TestC55:
    def test_a_formula_is_text_in_the_file_and_as_sent_in_the_database(self, exporter, open_hook):
        cases.post(open_hook, (CASES / "C55.json").read_bytes())
        sent = cases.recorded("C55.json")

        rows = {row["Message id"]: row for row in rows_of(export_of(exporter, "mail"))}

        for event in sent:
            subject = event["subject"]
            expected = f"'{subject}" if subject[:1] in "=+-@" else subject
            assert rows[event["messageId"]]["Subject"] == expected
            assert models.Mail.objects.filter(subject=subject).exists()
        assert any(row["Subject"].startswith("'=") for row in rows.values())


SUBJECTS = (" =1+1", " +1+1", " -1+1", " @SUM(1)", "plain text")
HIDDEN = ("\u00a0=1+1", "\u3000＝1+1", "\u200b@SUM(1)", "\ufeff-1", "\x0b+1", "\u2060=1", "  \t=1")


class TestD54:
    @pytest.mark.parametrize("text", [*SUBJECTS[:4], *HIDDEN], ids=ascii)
    def test_a_blank_before_a_formula_makes_it_no_text(self, text):
        assert csv_cells.cell(text) == f"'{text}"

    @pytest.mark.parametrize("text", [SUBJECTS[4], "a =1+1", " a", "", "１=2", "\u3042-1"], ids=ascii)
    def test_text_stays_as_it_is(self, text):
        assert csv_cells.cell(text) == text

    def test_in_the_file_of_the_admin_and_of_the_api(self, exporter, open_hook):
        for number, subject in enumerate(SUBJECTS):
            open_hook.send("deliveries", delivery(f"<{number}@x.jp>", subject=subject), api_key=None)
        stored = set(models.Mail.objects.values_list("subject", flat=True))

        written = {row["Subject"] for row in rows_of(export_of(exporter, "mail"))}

        assert stored == set(SUBJECTS)
        assert written == {"plain text", *(f"'{subject}" for subject in SUBJECTS[:4])}


class TestD55:
    @pytest.mark.parametrize("value", ["00012345", "1-2"])
    def test_a_workbook_keeps_texts_that_excel_would_change(self, exporter, open_hook, value):
        pytest.importorskip("xlsxwriter", reason="the extra xlsx")
        openpyxl = pytest.importorskip("openpyxl")
        open_hook.send("deliveries", delivery(apiData=value, reason=value), api_key=None)

        written = b"".join(export_of(exporter, "mail", extension="xlsx").streaming_content)

        headings, cells = openpyxl.load_workbook(io.BytesIO(written)).active.iter_rows()
        found = {heading.value: cell for heading, cell in zip(headings, cells, strict=True)}
        for name in ("API data", "The server's answer"):
            assert (found[name].data_type, found[name].value) == ("s", value)

    @pytest.mark.parametrize("value", ["00012345", "1-2"])
    def test_the_csv_has_what_is_stored(self, exporter, open_hook, value):
        open_hook.send("deliveries", delivery(apiData=value), api_key=None)

        (row,) = rows_of(export_of(exporter, "mail"))

        assert row["API data"] == value


OCTOBER = "bounces_2026-10-01_2026-10-31.csv"
OCTOBER_IN_JAPANESE = "不達イベントバウンス_2026-10-01_2026-10-31.csv"


class TestD56:
    @pytest.fixture
    def bounces(self, open_hook):
        for day in ("2026-09-30", "2026-10-12", "2026-11-01"):
            event = bounce(f"<{day}@x.jp>", status="2", created=f"{day} 14:03:06", to="user@example.jp")
            open_hook.send("bounces", event, api_key=None)

    @pytest.fixture
    def exporter(self):
        return browser_of("export_csv", "view_mail", "view_bounceevent", is_staff=True)

    @pytest.mark.parametrize(
        ("language", "name", "row"),
        [
            (
                "en",
                f'filename="{OCTOBER}"',
                {
                    "Recipient": "user@example.jp",
                    "Domain": "example.jp",
                    "Reason": "No such mailbox",
                    "Bounce class": "Invalid address (hard)",
                },
            ),
            (
                "ja",
                f"filename=\"{OCTOBER}\"; filename*=UTF-8''{quote(OCTOBER_IN_JAPANESE)}",
                {
                    "宛先": "user@example.jp",
                    "ドメイン": "example.jp",
                    "理由": "ユーザ不明",
                    "不達の分類": "宛先不明（ハード）",
                },
            ),
        ],
        ids=["en", "ja"],
    )
    def test_the_file_of_a_month_is_for_people(self, exporter, bounces, language, name, row):
        with translation.override(language):
            answer = export_of(exporter, "bounceevent", **{"from": "2026-10-01", "to": "2026-10-31"})

        assert answer["Content-Disposition"] == f"attachment; {name}"
        (written,) = rows_of(answer)
        assert row.items() <= written.items()


class TestD57:
    TEXT = "a;=1+1;@SUM(1)\t=2"

    def test_every_cell_is_quoted_and_its_value_unchanged(self, exporter, open_hook):
        open_hook.send("deliveries", delivery(subject=self.TEXT), api_key=None)

        text = b"".join(export_of(exporter, "mail").streaming_content).decode().removeprefix("\ufeff")

        assert {row["Subject"] for row in csv.DictReader(io.StringIO(text, newline=""))} == {self.TEXT}
        for line in text.splitlines():
            assert re.fullmatch(r'"[^"]*"(,"[^"]*")*', line)

    def test_shows_what_the_api_shows_to_the_same_user(self, open_hook):
        open_hook.send("deliveries", delivery(subject="secret", apiData="A-1"), api_key=None)
        browser = browser_of("export_csv", "view_deliveryevent", is_staff=True)
        event = models.DeliveryEvent.objects.get()

        (row,) = rows_of(export_of(browser, "deliveryevent"))
        pages = [browser.open_list("deliveryevent"), browser.open_page(event)]

        assert row.keys().isdisjoint(OF_MAILS)
        for page in pages:
            assert page.status_code == 200
            assert "secret" not in page.content.decode()
