"""Lists as CSV and as JSON Lines: all rows that are filtered, streamed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rest_framework import renderers
from rest_framework.utils import encoders

from cmc_webhooks import cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["CsvRenderer", "JsonLinesRenderer", "StreamingRenderer"]


class StreamingRenderer(renderers.JSONRenderer):
    """What a list streams through; an error, which is no list, is JSON."""

    charset = "utf-8"

    def stream(self, rows: Iterable[Mapping[str, Any]], names: Iterable[str]) -> Iterator[str]:
        """The rows, each a mapping by these names, as lines."""
        raise NotImplementedError


class JsonLinesRenderer(StreamingRenderer):
    """One JSON object a line (jsonlines.org)."""

    media_type = "application/x-ndjson"
    format = "jsonl"

    def stream(self, rows: Iterable[Mapping[str, Any]], names: Iterable[str]) -> Iterator[str]:
        for row in rows:
            yield json.dumps(row, cls=encoders.JSONEncoder, ensure_ascii=False) + "\n"


class CsvRenderer(StreamingRenderer):
    """CSV as spreadsheets open it: with a byte order mark, and no cell a formula (RFC 4180)."""

    media_type = "text/csv"
    format = "csv"

    def stream(self, rows: Iterable[Mapping[str, Any]], names: Iterable[str]) -> Iterator[str]:
        names = list(names)
        yield cells.BOM + cells.line(names)
        for row in rows:
            yield cells.line(row[name] for name in names)
