"""Renderers that stream all filtered rows of a list as CSV or JSON Lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rest_framework import renderers
from rest_framework.utils import encoders

from cmc_webhooks.downloads import csv_cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["CsvRenderer", "JsonLinesRenderer", "StreamingRenderer"]


class StreamingRenderer(renderers.JSONRenderer):
    """The base of renderers that stream a list. An error is not a list, so it is rendered as JSON."""

    charset = "utf-8"

    def stream(self, rows: Iterable[Mapping[str, Any]], names: Iterable[str]) -> Iterator[str]:
        """Yield the lines of a file of these rows, which are mappings with `names` as keys."""
        raise NotImplementedError


class JsonLinesRenderer(StreamingRenderer):
    """JSON Lines: one JSON object per line (jsonlines.org)."""

    media_type = "application/x-ndjson"
    format = "jsonl"

    def stream(self, rows: Iterable[Mapping[str, Any]], names: Iterable[str]) -> Iterator[str]:
        for row in rows:
            yield json.dumps(row, cls=encoders.JSONEncoder, ensure_ascii=False) + "\n"


class CsvRenderer(StreamingRenderer):
    """CSV for spreadsheets: with a byte order mark, and with cells that are not formulas (RFC 4180)."""

    media_type = "text/csv"
    format = "csv"

    def stream(self, rows: Iterable[Mapping[str, Any]], names: Iterable[str]) -> Iterator[str]:
        names = list(names)
        yield csv_cells.BOM + csv_cells.line(names)
        for row in rows:
            yield csv_cells.line(row[name] for name in names)
