from __future__ import annotations

import io
import json
import stat

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from cmc_webhooks import models
from cmc_webhooks.erasure import disclosure
from tests.helpers import factories

pytestmark = pytest.mark.django_db

ADDRESS = "hanako@example.jp"


@pytest.fixture(autouse=True)
def mail():
    return factories.MailFactory(recipient=ADDRESS, subject="件名")


class TestCmcDisclose:
    @pytest.mark.parametrize("given", [f"Hanako <{ADDRESS.upper()}>", "-"])
    def test_prints_json(self, monkeypatch, capsys, mail, given):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{ADDRESS}\n"))

        call_command("cmc_disclose", given, "--reason=ticket 17")

        printed = json.loads(capsys.readouterr().out)
        assert (printed["address"], [row["id"] for row in printed["mail"]]) == (ADDRESS, [str(mail.pk)])
        row = models.Trail.objects.get()
        assert (row.what, row.via, row.reason, row.rows) == ("disclosed", "command", "ticket 17", 1)

    @pytest.mark.parametrize(("language", "word"), [("ja", "宛先"), ("en", "Recipient")])
    def test_prints_a_page(self, capsys, language, word):
        call_command("cmc_disclose", ADDRESS, "--format=html", f"--language={language}")

        page = capsys.readouterr().out
        assert page.startswith("<!DOCTYPE html>")
        assert word in page
        assert "件名" in page

    def test_writes_a_file_that_others_cannot_read(self, tmp_path, capsys):
        path = tmp_path / "page.html"

        call_command("cmc_disclose", ADDRESS, "--format=html", f"--output={path}")

        assert ADDRESS in path.read_text(encoding="utf-8")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert capsys.readouterr().out == "written: rows about the person 1, passages 0\n"

    def test_never_writes_over_a_file(self, tmp_path):
        path = tmp_path / "page.html"
        path.write_text("kept")

        with pytest.raises(CommandError, match="the file of --output exists") as raised:
            call_command("cmc_disclose", ADDRESS, f"--output={path}")

        assert (path.read_text(), raised.value.returncode) == ("kept", 2)
        assert not models.Trail.objects.exists()

    def test_refuses_a_folder_that_is_not_there(self, tmp_path):
        with pytest.raises(CommandError, match="cannot be created: No such file or directory") as raised:
            call_command("cmc_disclose", ADDRESS, f"--output={tmp_path / 'no' / 'page.html'}")

        assert raised.value.returncode == 2

    @pytest.mark.parametrize(("fault", "code"), [(KeyboardInterrupt(), 130), (OperationalError("x"), 1)])
    def test_ends_with_one_line(self, monkeypatch, fault, code):
        def fail(address, **options):
            raise fault

        monkeypatch.setattr(disclosure, "disclose", fail)

        with pytest.raises(CommandError, match="nothing was disclosed") as raised:
            call_command("cmc_disclose", ADDRESS)

        assert raised.value.returncode == code
        assert "hanako" not in str(raised.value)
