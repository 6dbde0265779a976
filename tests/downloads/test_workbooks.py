from __future__ import annotations

import io
import tempfile
import tracemalloc
from datetime import UTC, datetime
from operator import itemgetter

import pytest
from django.utils import timezone, translation

from cmc_webhooks.downloads import Column, Table, workbooks

pytest.importorskip("xlsxwriter", reason="the extra xlsx")
openpyxl = pytest.importorskip("openpyxl")

AT = datetime(2026, 10, 1, 5, 0, 30, 999_999, tzinfo=UTC)


TEXTS = ("00012345", "1-2", "2026-10-01", "1E5", "=1+1", "@SUM(1)", " a ", "TRUE", "12:30", "9" * 40)
MARKUP = ("http://example.jp", "{=1}", "<r><t>x</t></r>", "<r>&</r>", "'", "件名 😀", "a\nb")


def table(*rows, title="list", width=1):
    names = [Column(f"c{number}", itemgetter(number)) for number in range(width)]
    return Table(title, names, rows)


def book_of(written):
    file = io.BytesIO()
    workbooks.write(written, file)
    file.seek(0)
    return openpyxl.load_workbook(file)


def cell_of(value):
    """The cell that a workbook has for a value."""
    return book_of(table((value,))).active["A2"]


class TestWrite:
    @pytest.mark.parametrize("text", [*TEXTS, *MARKUP])
    def test_keeps_text_as_text(self, text):
        cell = cell_of(text)

        assert (cell.data_type, cell.value) == ("s", text)

    def test_keeps_numbers_as_numbers(self):
        assert (cell_of(3).data_type, cell_of(3).value) == ("n", 3)

    def test_has_times_as_dates_in_the_active_zone(self):
        with timezone.override("Asia/Tokyo"):
            cell = cell_of(AT)

        assert cell.is_date
        assert cell.value == datetime(2026, 10, 1, 14, 0, 30)  # noqa: DTZ001 - Excel has no zones
        assert cell.number_format == workbooks._TIME_FORMAT

    @pytest.mark.parametrize("value", [None, ""])
    def test_leaves_cells_without_a_value_empty(self, value):
        assert cell_of(value).value is None

    @pytest.mark.parametrize("letter", ["a", "😀"])
    def test_says_that_a_text_was_cut(self, letter):
        fits = letter * (workbooks.LONGEST_TEXT // (len(letter.encode("utf-16-le")) // 2))

        assert cell_of(fits).value == fits
        with translation.override("en"):
            cut = cell_of(fits + letter).value
        assert cut.startswith(letter * 1000)
        assert cut.endswith("(cut: Excel keeps no more of a cell, the CSV has all of it)")
        assert len(cut.encode("utf-16-le")) <= 2 * workbooks.LONGEST_TEXT

    def test_goes_on_with_a_next_sheet(self, monkeypatch):
        monkeypatch.setattr(workbooks, "ROWS_OF_SHEET", 4)

        book = book_of(table(*[(str(number),) for number in range(7)], title="a/b: list"))

        assert book.sheetnames == ["a b  list", "a b  list 2", "a b  list 3"]
        found = [[cell.value for (cell,) in sheet.iter_rows()] for sheet in book]
        assert found == [["C0", "0", "1", "2"], ["C0", "3", "4", "5"], ["C0", "6"]]
        assert {sheet.freeze_panes for sheet in book} == {"A2"}

    def test_has_headings_alone_without_rows(self):
        assert [[cell.value for cell in row] for row in book_of(table(width=2)).active] == [["C0", "C1"]]

    def test_leaves_no_file_behind_where_a_row_cannot_be_read(self, tmp_path, monkeypatch):
        def rows():
            yield ("1",)
            raise ZeroDivisionError

        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

        with pytest.raises(ZeroDivisionError):
            workbooks.write(Table("list", [Column("c", itemgetter(0))], rows()), io.BytesIO())

        assert list(tmp_path.iterdir()) == []

    def test_takes_no_more_memory_for_more_rows(self):
        def peak(number):
            rows = ((f"{place} {'x' * 200}",) * 5 for place in range(number))
            columns = [Column("c", itemgetter(place)) for place in range(5)]
            with tempfile.TemporaryFile() as file:
                tracemalloc.start()
                workbooks.write(Table("list", columns, rows), file)
                _, most = tracemalloc.get_traced_memory()
                tracemalloc.stop()
                return most

        peak(10)

        assert peak(3000) < peak(300) + 300_000
