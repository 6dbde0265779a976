from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from operator import itemgetter

from django.utils import timezone, translation
from django.utils.translation import gettext_lazy

from cmc_webhooks.downloads import Column, Table

AT = datetime(2026, 10, 1, 5, 0, 30, tzinfo=UTC)
COLUMNS = [
    Column(gettext_lazy("status"), itemgetter(0)),
    Column("number", itemgetter(1)),
    Column("at", itemgetter(2), is_time=True),
]


def table(*rows):
    return Table("list", COLUMNS, rows)


class TestTable:
    def test_has_headings_in_the_language_of_the_reader(self):
        with timezone.override("Asia/Tokyo"), translation.override("ja"):
            assert table().headings() == ["ステータス", "Number", "At (Asia/Tokyo)"]
        with timezone.override("UTC"), translation.override("en"):
            assert table().headings() == ["Status", "Number", "At (UTC)"]

    def test_is_csv_with_every_cell_quoted(self):
        with timezone.override("Asia/Tokyo"), translation.override("en"):
            text = "".join(table(("=1+1;@a", 3, AT), (None, None, None)).csv_lines())

        assert text.startswith("\ufeff")
        assert text.splitlines()[1] == '"\'=1+1;@a","3","2026-10-01 14:00:30"'
        rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
        assert rows[2] == ["", "", ""]

    def test_reads_rows_when_they_are_written(self):
        read = []
        rows = (read.append(number) or (str(number), 1, AT) for number in range(3))

        lines = Table("list", COLUMNS, rows).csv_lines()

        next(lines)
        assert read == []
        next(lines)
        assert read == [0]
