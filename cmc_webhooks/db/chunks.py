"""Chunked reading of tables."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from cmc_webhooks.db import transactions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet

__all__ = ["in_chunks"]


def in_chunks(rows: QuerySet[Any], size: int = 500) -> Iterator[list[Any]]:
    """Yield all rows in key order, at most `size` at a time. Each chunk is one query.

    Raises:
        transactions.Unavailable: the database is unavailable.
    """
    last = None
    rows = rows.order_by("pk")
    while chunk := transactions.run(
        rows.db, partial(_first, rows.filter(pk__gt=last) if last else rows, size)
    ):
        yield chunk
        last = chunk[-1].pk


def _first(rows: QuerySet[Any], size: int) -> list[Any]:
    return list(islice(rows.all(), size))  # a new queryset: a failed one may hold a part of its rows
