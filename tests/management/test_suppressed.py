from __future__ import annotations

import csv
import io
import json
import os
import stat
import subprocess
import sys
from datetime import datetime

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from cmc_webhooks import models, suppression
from cmc_webhooks.suppression import lists
from tests.helpers import factories
from tests.helpers.ids import ordered
from tests.helpers.pages import ROOT
from tests.helpers.suppressed import one_for_each_reason

pytestmark = pytest.mark.django_db

COLUMNS = "address,reason,since,until,composition,at_cmc"


@pytest.fixture
def everyone():
    one_for_each_reason()


def printed(*arguments):
    out = io.StringIO()
    call_command("cmc_suppressed", *arguments, stdout=out)
    return out.getvalue()


def rows(text):
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


class TestCmcSuppressed:
    def test_prints_csv(self, everyone):
        text = printed()

        assert text.partition("\r\n")[0].replace('"', "") == COLUMNS
        found = {row["address"]: row for row in rows(text)}
        assert {address: (row["reason"], row["composition"]) for address, row in found.items()} == {
            "hard@x.jp": ("hard", ""),
            "held@x.jp": ("blocked", "pro"),
            "reader@x.jp": ("unsubscribed", "newsletter"),
            "full@y.jp": ("soft", ""),
            "by-hand@y.jp": ("by_hand", "pro"),
        }
        assert {address for address, row in found.items() if row["at_cmc"] == "True"} == {
            *("held@x.jp", "reader@x.jp")
        }
        assert "asked by phone" not in text

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (["--reason=hard"], {"hard@x.jp"}),
            (["--reason=by_hand"], {"by-hand@y.jp"}),
            (["--reason=unsubscribed", "--composition=newsletter"], {"reader@x.jp"}),
            (["--reason=unsubscribed", "--composition=pro"], set()),
            (["--composition=newsletter"], {"hard@x.jp", "reader@x.jp", "full@y.jp"}),
            (["--composition=newsletter", "--transactional"], {"hard@x.jp"}),
            (["--composition="], {"hard@x.jp", "held@x.jp", "reader@x.jp", "full@y.jp", "by-hand@y.jp"}),
            (["--domain=Y.jp"], {"full@y.jp", "by-hand@y.jp"}),
            (["--domain=@y.jp", "--reason=soft"], {"full@y.jp"}),
        ],
        ids=ordered,
    )
    @pytest.mark.parametrize("looked_at", [2, 2000])
    def test_is_filtered(self, everyone, monkeypatch, arguments, expected, looked_at):
        monkeypatch.setattr(lists, "LOOKED_AT", looked_at)

        assert sorted(row["address"] for row in rows(printed(*arguments))) == sorted(expected)

    def test_prints_json_lines_with_all_reasons(self, everyone):
        suppression.block("reader@x.jp")

        found = [json.loads(line) for line in printed("--format=jsonl").splitlines()]

        row = next(each for each in found if each["address"] == "reader@x.jp")
        assert (row["reason"], row["at_cmc"]) == ("by_hand", True)
        assert [(each["reason"], each["composition"]) for each in row["reasons"]] == [
            ("by_hand", ""),
            ("unsubscribed", "newsletter"),
        ]
        assert datetime.fromisoformat(row["reasons"][1]["since"]).utcoffset() is not None

    def test_prints_text(self, everyone):
        lines = printed("--format=text").splitlines()

        assert len(lines) == 5
        reader = next(
            line for line in lines if line.startswith("reader@x.jp: unsubscribed at newsletter since")
        )
        assert reader.endswith("; CMC itself refuses it too")
        assert not next(line for line in lines if line.startswith("by-hand@y.jp: by_hand at pro")).count(
            "until"
        )

    @pytest.mark.parametrize("address", ["=1+1@x.jp", "+81@x.jp"])
    def test_prints_no_formula(self, address):
        suppression.block(address)

        assert f'"\'{address}",' in printed()

    def test_prints_no_control_characters(self):
        suppression.block('"a\x1b[31m"@x.jp')

        assert "\x1b" not in printed("--format=text")

    @pytest.mark.parametrize(("kind", "lines"), [("csv", 6), ("jsonl", 5), ("text", 5)])
    def test_writes_a_file_that_others_cannot_read(self, everyone, tmp_path, kind, lines):
        path = tmp_path / "suppressed"

        assert printed(f"--format={kind}", f"--output={path}") == "5 addresses were written\n"

        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) == lines
        assert text.startswith("\ufeff") is (kind == "csv")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_says_how_many_it_wrote(self, tmp_path):
        suppression.block("one@x.jp")

        assert printed(f"--output={tmp_path / 'suppressed'}") == "1 address was written\n"

    def test_never_writes_over_a_file(self, tmp_path):
        path = tmp_path / "suppressed"
        path.write_text("kept")

        with pytest.raises(CommandError, match="the file of --output exists") as raised:
            printed(f"--output={path}")

        assert (path.read_text(), raised.value.returncode) == ("kept", 2)
        assert not models.Trail.objects.exists()

    def test_refuses_a_folder_that_is_not_there(self, tmp_path):
        with pytest.raises(CommandError, match="cannot be created: No such file or directory") as raised:
            printed(f"--output={tmp_path / 'no' / 'file'}")

        assert raised.value.returncode == 2
        assert not models.Trail.objects.exists()

    @pytest.mark.parametrize("name", ["", "file"])
    def test_leaves_a_trace(self, everyone, tmp_path, name):
        given = [f"--output={tmp_path / name}"] if name else []

        printed("--reason=hard", "--transactional", *given)

        row = models.Trail.objects.get(what="exported")
        assert (row.via, row.rows) == ("command", 1)
        assert row.details == {
            "list": "suppression",
            "filters": ["reason", "transactional"],
            "format": "csv",
        }

    @pytest.mark.parametrize("name", ["", "file"])
    @pytest.mark.parametrize(("fault", "code"), [(KeyboardInterrupt(), 130), (OperationalError("x"), 1)])
    def test_ends_with_one_line(self, everyone, monkeypatch, tmp_path, name, fault, code):
        def fail_after(number):
            yield from (row for row, _ in zip(found, range(number), strict=False))
            raise fault

        found = list(suppression.stream())
        monkeypatch.setattr(suppression, "stream", lambda **asked: fail_after(2))
        given = [f"--output={tmp_path / name}"] if name else []

        with pytest.raises(CommandError) as raised:
            printed(*given)

        expected = "the file ends after 2 addresses" if name else "the list is not complete"
        assert str(raised.value).endswith(expected)
        assert raised.value.returncode == code
        assert "@" not in str(raised.value)
        assert models.Trail.objects.get(what="exported").details["interrupted"] is True

    def test_reads_page_by_page(self, monkeypatch):
        monkeypatch.setattr(lists, "LOOKED_AT", 10)
        for number in range(35):
            suppression.block(f"a{number}@x.jp")
        read, sizes = lists.listing, []
        monkeypatch.setattr(lists, "listing", lambda **asked: sizes.append(1) or read(**asked))

        assert len(rows(printed())) == 35
        assert len(sizes) >= 4


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="another process sees no test database of SQLite")
class TestAReaderThatHasEnough:
    def test_ends_the_command_quietly(self):
        rows = [factories.SuppressionFactory.build(address=f"{'a' * 50}{n}@x.jp") for n in range(3000)]
        models.Suppression.objects.bulk_create(rows)
        name = connection.settings_dict["NAME"]
        environment = {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{name}",
        }

        with subprocess.Popen(
            [sys.executable, "-m", "django", "cmc_suppressed", "--format=text"],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as command:
            first = command.stdout.readline()
            command.stdout.close()
            error = command.stderr.read()

        assert first.startswith(b"aaa")
        assert (command.returncode, error) == (0, b"")
