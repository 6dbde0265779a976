"""Pages that begin behind a row's keys, not after a number of rows.

DRF's own cursor keeps one field and counts the rows that share its value: a batch shares one `created_at`.
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone
from rest_framework import exceptions, pagination
from rest_framework.utils.urls import replace_query_param

from cmc_webhooks.api import moments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import Model
    from rest_framework.request import Request

__all__ = ["EventPagination", "KeysetPagination", "MailPagination"]

_NEXT, _PREVIOUS = "next", "previous"


class KeysetPagination(pagination.CursorPagination):
    """Newest first, or oldest first with `ordering`; every page costs the same, and nothing is counted.

    Rows that arrive meanwhile neither repeat nor hide another row.
    """

    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"
    ordering_query_param = "ordering"
    ordering_word: ClassVar[str]
    """What clients order by."""
    keys: ClassVar[tuple[str, ...]]
    """The columns that this means, with an index, ending in the primary key."""

    @property
    def query_params(self) -> set[str]:
        """The parameters that are read here."""
        return {self.cursor_query_param, self.page_size_query_param, self.ordering_query_param}

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        fields = [queryset.model._meta.get_field(key) for key in self.keys]
        size = self.get_page_size(request)
        descending = self._descending(request)
        way, position = self._cursor(request, fields)

        downwards = descending == (way == _NEXT)
        if position:
            queryset = queryset.filter(_behind(self.keys, position, "lt" if downwards else "gt"))
        order = [f"-{key}" if downwards else key for key in self.keys]
        rows = list(queryset.order_by(*order)[: size + 1])
        more, page = len(rows) > size, rows[:size]
        if way == _PREVIOUS:
            page.reverse()

        has_next = page and (more or way == _PREVIOUS)
        has_previous = page and (more if way == _PREVIOUS else position)
        self._next = self._link(request, fields, _NEXT, page[-1]) if has_next else None
        self._previous = self._link(request, fields, _PREVIOUS, page[0]) if has_previous else None
        self.display_page_controls = bool(has_next or has_previous)
        return page

    def get_next_link(self) -> str | None:
        return self._next

    def get_previous_link(self) -> str | None:
        return self._previous

    def get_page_size(self, request: Request) -> int:
        text = request.query_params.get(self.page_size_query_param) or str(self.page_size)
        try:
            size = int(text)
        except ValueError:
            size = 0
        if not 1 <= size <= self.max_page_size:
            raise _refusal(self.page_size_query_param, f"A number from 1 to {self.max_page_size} is allowed.")
        return size

    def _descending(self, request: Request) -> bool:
        up, down = self.ordering_word, f"-{self.ordering_word}"
        text = request.query_params.get(self.ordering_query_param) or down
        if text not in (up, down):
            raise _refusal(self.ordering_query_param, f"{up} and {down} are allowed.")
        return text == down

    def _link(self, request: Request, fields: Sequence[Any], way: str, row: Model) -> str:
        text = ",".join([way, *(field.value_to_string(row) for field in fields)])
        cursor = base64.urlsafe_b64encode(text.encode()).decode()
        return replace_query_param(request.build_absolute_uri(), self.cursor_query_param, cursor)

    def _cursor(self, request: Request, fields: Sequence[Any]) -> tuple[str, list[Any]]:
        """The way to go and the keys to start behind; no keys for the first page."""
        cursor = request.query_params.get(self.cursor_query_param)
        if not cursor:
            return _NEXT, []
        try:
            way, *texts = base64.urlsafe_b64decode(cursor).decode().split(",")
            position = [_value(field, text) for field, text in zip(fields, texts, strict=True)]
        except (ValueError, ValidationError):
            way, position = "", []
        if way not in (_NEXT, _PREVIOUS):
            raise _refusal(self.cursor_query_param, "Take it from `next` or `previous` of a page as it is.")
        return way, position


class MailPagination(KeysetPagination):
    """By the receipt of a mail's first event, which never changes."""

    ordering_word = "created_at"
    keys = ("created_at", "id")


class EventPagination(KeysetPagination):
    """By CMC's clock, which event keys begin with; events without a usable time come before all others."""

    ordering_word = "occurred_at"
    keys = ("id",)


def _behind(keys: Sequence[str], position: Sequence[Any], lookup: str) -> Q:
    """The rows behind `position`, in a form that databases see a range of an index in."""
    (key, *keys), (value, *position) = keys, position
    behind = Q(**{f"{key}__{lookup}": value})
    if not keys:
        return behind
    return Q(**{f"{key}__{lookup}e": value}) & (behind | _behind(keys, position, lookup))


def _value(field: Any, text: str) -> Any:
    value = field.to_python(text)
    if isinstance(value, datetime) and (
        timezone.is_aware(value) != settings.USE_TZ or value.year not in moments.YEARS
    ):
        raise ValueError(text)
    return value


def _refusal(name: str, allowed: str) -> exceptions.ValidationError:
    return exceptions.ValidationError({name: [allowed]})
