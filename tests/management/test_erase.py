from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from cmc_webhooks import erasure, models
from tests import factories

pytestmark = pytest.mark.django_db


class TestCmcErase:
    def test_erases_and_names_nobody(self, capsys):
        factories.MailFactory(recipient="hanako@example.jp")

        call_command("cmc_erase", "Hanako <HANAKO@example.jp>", "--no-input")

        out = capsys.readouterr().out
        assert out == (
            "1 mails, 0 blocks and 0 rejected events are blank, and so are texts of 0 other rows\n"
        )
        assert models.Mail.objects.get().recipient == ""

    @pytest.mark.parametrize(("answer", "recipient"), [("y", ""), ("", "hanako@example.jp")])
    def test_asks_first(self, monkeypatch, answer, recipient):
        factories.MailFactory(recipient="hanako@example.jp")
        monkeypatch.setattr("builtins.input", lambda prompt: answer)

        call_command("cmc_erase", "hanako@example.jp")

        assert models.Mail.objects.get().recipient == recipient

    def test_exits_with_2_for_what_is_no_address(self):
        with pytest.raises(CommandError, match="no address") as raised:
            call_command("cmc_erase", "hanako", "--no-input")

        assert raised.value.returncode == 2

    @pytest.mark.parametrize(("fault", "code"), [(KeyboardInterrupt(), 130), (OperationalError("x"), 1)])
    def test_says_how_far_it_came(self, monkeypatch, fault, code):
        def erase(address, *, progress):
            progress(2)
            raise fault

        monkeypatch.setattr(erasure, "erase", erase)

        with pytest.raises(CommandError, match="2 rows are blank; run it again") as raised:
            call_command("cmc_erase", "hanako@example.jp", "--no-input")

        assert raised.value.returncode == code
        assert "hanako" not in str(raised.value)
