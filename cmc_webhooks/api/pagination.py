"""Pages of the lists, see `keyset`.

DRF's own cursor keeps one field and counts the rows that share its value: a batch shares one `created_at`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rest_framework import exceptions, pagination
from rest_framework.utils.urls import replace_query_param

from cmc_webhooks import keyset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rest_framework.request import Request

__all__ = [
    "EventPagination",
    "KeysetPagination",
    "MailPagination",
    "NotificationPagination",
    "RejectedEventPagination",
]


LONGEST_NUMBER = 9
_TAKE_IT = "Take it from `next` or `previous` of a page as it is."


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
        cursor = request.query_params.get(self.cursor_query_param, "")
        size, descending = self.get_page_size(request), self._descending(request)
        try:
            page = keyset.read(queryset, self.keys, size=size, descending=descending, cursor=cursor)
        except keyset.BadCursor:
            raise _refusal(self.cursor_query_param, _TAKE_IT) from None
        self._next, self._previous = self._link(request, page.next), self._link(request, page.previous)
        self.display_page_controls = bool(self._next or self._previous)
        return page.rows

    def walk(self, queryset: Any, request: Request) -> Iterator[list[Any]]:
        """All rows from the page that is asked for, a thousand at a time."""
        cursor = request.query_params.get(self.cursor_query_param, "")
        descending = self._descending(request)
        try:
            return keyset.walk(queryset, self.keys, size=1000, descending=descending, cursor=cursor)
        except keyset.BadCursor:
            raise _refusal(self.cursor_query_param, _TAKE_IT) from None

    def get_next_link(self) -> str | None:
        return self._next

    def get_previous_link(self) -> str | None:
        return self._previous

    def get_page_size(self, request: Request) -> int:
        text = request.query_params.get(self.page_size_query_param)
        if text is None:
            return self.page_size
        size = int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER else 0
        if not 1 <= size <= self.max_page_size:
            raise _refusal(self.page_size_query_param, f"A number from 1 to {self.max_page_size} is allowed.")
        return size

    def _descending(self, request: Request) -> bool:
        up, down = self.ordering_word, f"-{self.ordering_word}"
        text = request.query_params.get(self.ordering_query_param) or down
        if text not in (up, down):
            raise _refusal(self.ordering_query_param, f"{up} and {down} are allowed.")
        return text == down

    def _link(self, request: Request, cursor: str | None) -> str | None:
        if cursor is None:
            return None
        link: str = replace_query_param(request.build_absolute_uri(), self.cursor_query_param, cursor)
        return link


class MailPagination(KeysetPagination):
    """By the receipt of a mail's first event, which never changes."""

    ordering_word = "created_at"
    keys = ("created_at", "id")


class EventPagination(KeysetPagination):
    """By CMC's clock, which event keys begin with; events without a usable time come before all others."""

    ordering_word = "occurred_at"
    keys = ("id",)


class NotificationPagination(KeysetPagination):
    """By the time of receipt, which their keys begin with."""

    ordering_word = "received_at"
    keys = ("id",)


class RejectedEventPagination(KeysetPagination):
    """By the time of receipt; there are 10,000 open ones at most."""

    ordering_word = "received_at"
    keys = ("received_at", "id")


def _refusal(name: str, allowed: str) -> exceptions.ValidationError:
    return exceptions.ValidationError({name: [allowed]})
