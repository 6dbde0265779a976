from __future__ import annotations

import csv
import io
import re

import pytest

from cmc_webhooks import models
from cmc_webhooks.downloads import csv_cells
from tests import cases
from tests.admin.conftest import browser_of
from tests.admin.test_export import export_of, rows_of
from tests.conftest import CASES, delivery

pytestmark = pytest.mark.django_db


@pytest.fixture
def exporter():
    return browser_of("export_csv", "view_mail", is_staff=True)


class TestC55:
    def test_a_formula_is_text_in_the_file_and_as_sent_in_the_database(self, exporter, open_hook):
        cases.post(open_hook, (CASES / "C55.json").read_bytes())
        sent = cases.recorded("C55.json")

        rows = {row["message_id"]: row for row in rows_of(export_of(exporter, "mail"))}

        for event in sent:
            subject = event["subject"]
            expected = f"'{subject}" if subject[:1] in "=+-@" else subject
            assert rows[event["messageId"]]["subject"] == expected
            assert models.Mail.objects.filter(subject=subject).exists()
        assert any(row["subject"].startswith("'=") for row in rows.values())


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

        written = {row["subject"] for row in rows_of(export_of(exporter, "mail"))}

        assert stored == set(SUBJECTS)
        assert written == {"plain text", *(f"'{subject}" for subject in SUBJECTS[:4])}


class TestD57:
    TEXT = "a;=1+1;@SUM(1)\t=2"

    def test_every_cell_is_quoted_and_its_value_unchanged(self, exporter, open_hook):
        open_hook.send("deliveries", delivery(subject=self.TEXT), api_key=None)

        text = b"".join(export_of(exporter, "mail").streaming_content).decode().removeprefix("\ufeff")

        assert {row["subject"] for row in csv.DictReader(io.StringIO(text, newline=""))} == {self.TEXT}
        for line in text.splitlines():
            assert re.fullmatch(r'"[^"]*"(,"[^"]*")*', line)
