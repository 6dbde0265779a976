"""Keyset pagination of the lists, see `keyset`.

DRF's cursor holds one field and counts the rows that share its value. All rows of a batch share one
`created_at`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from rest_framework import exceptions, pagination
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from cmc_webhooks import suppression
from cmc_webhooks.api.schema import example_of, link
from cmc_webhooks.db import keyset

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rest_framework.request import Request

__all__ = [
    "EventPagination",
    "KeysetPagination",
    "ListingPagination",
    "MailPagination",
    "NotificationPagination",
    "RejectedEventPagination",
]


class Order(NamedTuple):
    """An order of rows."""

    keys: tuple[str, ...]
    """Indexed columns, ending in the primary key."""
    time: str
    """The name of this time in parameters, before `_after` and `_before`."""


LONGEST_NUMBER = 9
_TAKE_IT = "Use the value in `next` or `previous` of a page unchanged."


class KeysetPagination(pagination.CursorPagination):
    """Pages of rows, newest or oldest first. Every page costs the same, and rows are not counted.

    Rows that arrive meanwhile neither repeat nor hide another row. Without `ordering`, rows are ordered by
    the time that they are filtered by, so that a range of time is a range of an index.
    """

    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"
    ordering_query_param = "ordering"
    orders: ClassVar[Mapping[str, Order]]
    """Orders by the value of `ordering`; the first one is the default."""

    @property
    def query_params(self) -> set[str]:
        """Return the names of the parameters that the paginator reads."""
        return {self.cursor_query_param, self.page_size_query_param, self.ordering_query_param}

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        cursor = request.query_params.get(self.cursor_query_param, "")
        size, (keys, descending) = self.get_page_size(request), self._ordering(request)
        try:
            page = keyset.read(queryset, keys, size=size, descending=descending, cursor=cursor)
        except keyset.BadCursor:
            raise _refusal(self.cursor_query_param, _TAKE_IT) from None
        self._next, self._previous = self.link(request, page.next), self.link(request, page.previous)
        self._end = page.end
        self.display_page_controls = bool(self._next or self._previous)
        return page.rows

    def walk(self, queryset: Any, request: Request) -> Iterator[list[Any]]:
        """Return an iterator over the requested page, then over all rows after it, 1000 at a time."""
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

    def get_paginated_response(self, data: Any) -> Response:
        page = {"next": self._next, "previous": self._previous, "cursor": self._end, "results": data}
        links = {"next": self._next, "prev": self._previous}  # relation types of RFC 8288's registry
        header = ", ".join(f'<{url}>; rel="{name}"' for name, url in links.items() if url)
        return Response(page, headers={"Link": header} if header else None)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        places = {"next": "after", "previous": "before"}
        meaning = "The page {} this one, in the requested order; null at the end."
        links = {name: link(meaning.format(place)) for name, place in places.items()}
        end = (
            "The place behind the last row, also where nothing follows yet: the `cursor` of a later request."
        )
        cursor = {"type": "string", "description": end, **example_of("bmV4dCxpZD0uLi4=")}
        properties = {**links, "cursor": cursor, "results": schema}
        return {"type": "object", "required": list(properties), "properties": properties}

    def get_next_link(self) -> str | None:
        return self._next

    def get_previous_link(self) -> str | None:
        return self._previous

    def get_page_size(self, request: Request) -> int:
        text = request.query_params.get(self.page_size_query_param)
        if not text:  # a form sends empty fields too
            return self.page_size
        size = int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER else 0
        if not 1 <= size <= self.max_page_size:
            raise _refusal(self.page_size_query_param, f"Must be an integer from 1 to {self.max_page_size}.")
        return size

    def _ordering(self, request: Request) -> tuple[tuple[str, ...], bool]:
        """Return the columns to order by, and True for descending order."""
        text = request.query_params.get(self.ordering_query_param) or f"-{self._default(request)}"
        word = text.removeprefix("-")
        if word not in self.orders:
            allowed = ", ".join(f"{word}, -{word}" for word in self.orders)
            raise _refusal(self.ordering_query_param, f"Must be one of: {allowed}.")
        return self.orders[word].keys, text != word

    def _default(self, request: Request) -> str:
        asked = {name.partition("_")[0] for name, value in request.query_params.items() if value}
        first = next(iter(self.orders))
        return next((word for word, order in self.orders.items() if order.time in asked), first)

    def link(self, request: Request, cursor: str | None) -> str | None:
        """Return the URL of the page at a cursor; None stays None."""
        if cursor is None:
            return None
        link: str = replace_query_param(request.build_absolute_uri(), self.cursor_query_param, cursor)
        return link


class MailPagination(KeysetPagination):
    """Pages of mails, by receipt of a mail's first event, which never changes, or by that event's time.

    That time moves back when an earlier event arrives. A mail may then appear twice, or not at all.
    """

    orders = {
        "created_at": Order(("created_at", "id"), "received"),
        "first_event_at": Order(("first_event_at", "id"), "occurred"),
    }


class EventPagination(KeysetPagination):
    """Pages of events, by CMC's clock, which event keys begin with, or by time of receipt.

    By CMC's clock, events without a usable time sort as the oldest.
    """

    orders = {
        "occurred_at": Order(("id",), "occurred"),
        "received_at": Order(("received_at", "id"), "received"),
    }


class NotificationPagination(KeysetPagination):
    """Pages of notifications, by time of receipt, which their keys begin with."""

    orders = {"received_at": Order(("id",), "received")}


class RejectedEventPagination(KeysetPagination):
    """Pages of rejected events, by time of receipt."""

    orders = {"received_at": Order(("received_at", "id"), "received")}


class ListingPagination(KeysetPagination):
    """Pages of `suppression.listing`, which have one order and lead forward only.

    A page may have few rows or none, although others follow.
    """

    orders = {}

    @property
    def query_params(self) -> set[str]:
        return {self.cursor_query_param, self.page_size_query_param}

    def read(self, request: Request, chosen: Mapping[str, Any]) -> suppression.Page:
        """Return the requested page of the addresses that are chosen."""
        cursor = request.query_params.get(self.cursor_query_param, "")
        try:
            return suppression.listing(**chosen, after=cursor, size=self.get_page_size(request))
        except keyset.BadCursor:
            raise _refusal(self.cursor_query_param, _TAKE_IT) from None

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        found = super().get_schema_operation_parameters(view)
        return [each for each in found if each["name"] in self.query_params]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        meaning = "The page after this one, null at the end. A page may be empty although others follow."
        properties = {"next": link(meaning), "results": schema}
        return {"type": "object", "required": list(properties), "properties": properties}


def _refusal(name: str, allowed: str) -> exceptions.ValidationError:
    return exceptions.ValidationError({name: [allowed]})
