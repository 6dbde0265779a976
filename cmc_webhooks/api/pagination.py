"""Pages of the lists, see `keyset`.

DRF's own cursor keeps one field and counts the rows that share its value: a batch shares one `created_at`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from rest_framework import exceptions, pagination
from rest_framework.utils.urls import replace_query_param

from cmc_webhooks import keyset
from cmc_webhooks.api.schema import link

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rest_framework.request import Request

__all__ = [
    "EventPagination",
    "KeysetPagination",
    "MailPagination",
    "NotificationPagination",
    "RejectedEventPagination",
]


class Order(NamedTuple):
    """What rows are ordered by."""

    keys: tuple[str, ...]
    """Columns with an index, ending in the primary key."""
    time: str
    """What the bounds of that time are called, before their `_after` and `_before`."""


LONGEST_NUMBER = 9
_TAKE_IT = "Take it from `next` or `previous` of a page as it is."


class KeysetPagination(pagination.CursorPagination):
    """Newest first, or oldest first; every page costs the same, and nothing is counted.

    Rows that arrive meanwhile neither repeat nor hide another row. Without `ordering` rows are in the order
    of the time that they are filtered by, so that a range of time is a range of an index.
    """

    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"
    ordering_query_param = "ordering"
    orders: ClassVar[Mapping[str, Order]]
    """By the word that clients say; the first one by default."""

    @property
    def query_params(self) -> set[str]:
        """The parameters that are read here."""
        return {self.cursor_query_param, self.page_size_query_param, self.ordering_query_param}

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        cursor = request.query_params.get(self.cursor_query_param, "")
        size, (keys, descending) = self.get_page_size(request), self._ordering(request)
        try:
            page = keyset.read(queryset, keys, size=size, descending=descending, cursor=cursor)
        except keyset.BadCursor:
            raise _refusal(self.cursor_query_param, _TAKE_IT) from None
        self._next, self._previous = self._link(request, page.next), self._link(request, page.previous)
        self.display_page_controls = bool(self._next or self._previous)
        return page.rows

    def walk(self, queryset: Any, request: Request) -> Iterator[list[Any]]:
        """The page that is asked for, and all rows after it, a thousand at a time."""
        cursor = request.query_params.get(self.cursor_query_param, "")
        size, (keys, descending) = self.get_page_size(request), self._ordering(request)
        try:
            return keyset.walk(queryset, keys, first=size, size=1000, descending=descending, cursor=cursor)
        except keyset.BadCursor:
            raise _refusal(self.cursor_query_param, _TAKE_IT) from None

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        size = {"type": "integer", "minimum": 1, "maximum": self.max_page_size, "default": self.page_size}
        words = [f"{sign}{word}" for word in self.orders for sign in ("-", "")]
        schemas = {
            self.cursor_query_param: {"type": "string"},
            self.page_size_query_param: size,
            self.ordering_query_param: {"type": "string", "enum": words},
        }
        return [
            {"name": name, "required": False, "in": "query", "schema": schema}
            for name, schema in schemas.items()
        ]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        places = {"next": "after", "previous": "before"}
        meaning = "The page {} this one, in the order asked for; null where there is none."
        links = {name: link(meaning.format(place)) for name, place in places.items()}
        properties = {**links, "results": schema}
        return {"type": "object", "required": list(properties), "properties": properties}

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

    def _ordering(self, request: Request) -> tuple[tuple[str, ...], bool]:
        """The columns to order by, and whether the greatest come first."""
        text = request.query_params.get(self.ordering_query_param) or f"-{self._default(request)}"
        word = text.removeprefix("-")
        if word not in self.orders:
            allowed = ", ".join(f"{word}, -{word}" for word in self.orders)
            raise _refusal(self.ordering_query_param, f"Allowed are: {allowed}.")
        return self.orders[word].keys, text != word

    def _default(self, request: Request) -> str:
        asked = {name.partition("_")[0] for name, value in request.query_params.items() if value}
        first = next(iter(self.orders))
        return next((word for word, order in self.orders.items() if order.time in asked), first)

    def _link(self, request: Request, cursor: str | None) -> str | None:
        if cursor is None:
            return None
        link: str = replace_query_param(request.build_absolute_uri(), self.cursor_query_param, cursor)
        return link


class MailPagination(KeysetPagination):
    """By the receipt of a mail's first event, which never changes; or by the time of that event.

    That one is earlier once an earlier event arrives: a mail may then be met twice, or not at all.
    """

    orders = {
        "created_at": Order(("created_at", "id"), "received"),
        "first_event_at": Order(("first_event_at", "id"), "occurred"),
    }


class EventPagination(KeysetPagination):
    """By CMC's clock, which event keys begin with; or by receipt.

    By CMC's clock, events without a usable time come before all others.
    """

    orders = {
        "occurred_at": Order(("id",), "occurred"),
        "received_at": Order(("received_at", "id"), "received"),
    }


class NotificationPagination(KeysetPagination):
    """By the time of receipt, which their keys begin with."""

    orders = {"received_at": Order(("id",), "received")}


class RejectedEventPagination(KeysetPagination):
    """By the time of receipt."""

    orders = {"received_at": Order(("received_at", "id"), "received")}


def _refusal(name: str, allowed: str) -> exceptions.ValidationError:
    return exceptions.ValidationError({name: [allowed]})
