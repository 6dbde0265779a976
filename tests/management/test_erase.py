from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from cmc_webhooks import erasure, models
from tests.helpers import factories

pytestmark = pytest.mark.django_db


class TestCmcErase:
    def test_erases_and_names_nobody(self, capsys):
        factories.MailFactory(recipient="hanako@example.jp")

        call_command("cmc_erase", "Hanako <HANAKO@example.jp>", "--no-input")

        out = capsys.readouterr().out
        assert out == ("1 mails, 0 blocks and 0 unreadable events were erased, and texts in 0 other rows\n")
        assert models.Mail.objects.get().recipient == ""

    @pytest.mark.parametrize(("answer", "recipient"), [("y", ""), ("", "hanako@example.jp")])
    def test_asks_first(self, monkeypatch, answer, recipient):
        factories.MailFactory(recipient="hanako@example.jp")
        monkeypatch.setattr("builtins.input", lambda prompt: answer)

        call_command("cmc_erase", "hanako@example.jp")

        assert models.Mail.objects.get().recipient == recipient

    def test_exits_with_2_for_what_is_no_address(self):
        with pytest.raises(CommandError, match="not a valid address") as raised:
            call_command("cmc_erase", "hanako", "--no-input")

        assert raised.value.returncode == 2

    @pytest.mark.parametrize(("fault", "code"), [(KeyboardInterrupt(), 130), (OperationalError("x"), 1)])
    def test_says_how_far_it_came(self, monkeypatch, fault, code):
        def erase(address, *, progress, **options):
            progress(2)
            raise fault

        monkeypatch.setattr(erasure, "erase", erase)

        with pytest.raises(CommandError, match="2 rows were erased; run the command again") as raised:
            call_command("cmc_erase", "hanako@example.jp", "--no-input")

        assert raised.value.returncode == code
        assert "hanako" not in str(raised.value)


class TestStandardInput:
    @pytest.mark.parametrize(
        "text", ["hanako@example.jp\n", "  Hanako <HANAKO@example.jp>", "hanako@example.jp\r\nx"]
    )
    def test_holds_the_address(self, monkeypatch, text):
        factories.MailFactory(recipient="hanako@example.jp")
        monkeypatch.setattr("sys.stdin", io.StringIO(text))

        call_command("cmc_erase", "-", "--no-input")

        assert models.Mail.objects.get().recipient == ""

    @pytest.mark.parametrize("text", ["", "\n", "hanako", f"{'a' * 3000}@example.jp"])
    def test_that_holds_no_address_is_refused_without_a_word_of_it(self, monkeypatch, text):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))

        with pytest.raises(CommandError, match="not a valid address") as raised:
            call_command("cmc_erase", "-", "--no-input")

        assert raised.value.returncode == 2
        assert "hanako" not in str(raised.value)

    def test_that_is_closed_is_refused(self, monkeypatch):
        closed = io.StringIO()
        closed.close()
        monkeypatch.setattr("sys.stdin", closed)

        with pytest.raises(CommandError, match="not a valid address"):
            call_command("cmc_erase", "-", "--no-input")

    def test_is_not_asked_a_second_time(self, monkeypatch):
        factories.MailFactory(recipient="hanako@example.jp")
        monkeypatch.setattr("sys.stdin", io.StringIO("hanako@example.jp\n"))

        with pytest.raises(CommandError, match="pass --no-input"):
            call_command("cmc_erase", "-")

        assert models.Mail.objects.get().recipient == "hanako@example.jp"
