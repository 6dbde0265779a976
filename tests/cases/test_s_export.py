from __future__ import annotations

import pytest

from cmc_webhooks import models
from tests import cases
from tests.admin.conftest import browser_of
from tests.admin.test_export import export_of, rows_of
from tests.conftest import CASES

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
