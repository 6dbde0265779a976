"""The lists: pages behind a row's keys, no count of a whole table, no order but the admin's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList

from cmc_webhooks import keyset

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

CURSOR = "cursor"
MOST_COUNTED = 1000


class KeysetList(ChangeList):
    """A list in the order its admin gives, whatever a browser asks for: others would sort the whole table."""

    page: keyset.Page
    total: str | None = None
    """How many rows there are, for people; None where that would have to be counted."""
    notice: str | None = None
    """What people must know of the rows that they do not see."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return list(self.model_admin.get_ordering(request))

    def get_filters_params(self, params: dict[str, Any] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = super().get_filters_params(params)
        return {name: value for name, value in found.items() if name != CURSOR}

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[Any]:
        admin: Any = self.model_admin
        queryset = super().get_queryset(request, exclude_parameters).defer(*admin.list_defer)
        reached: QuerySet[Any]
        reached, self.notice = admin.within_reach(request, queryset)
        return reached

    def get_results(self, request: HttpRequest) -> None:
        admin: Any = self.model_admin
        try:
            self.page = self.read(request, self.list_per_page, request.GET.get(CURSOR, ""))
        except keyset.BadCursor:
            raise IncorrectLookupParameters from None
        self.result_list: Any = self.page.rows
        self.result_count = len(self.page.rows)
        self.full_result_count = None
        self.show_full_result_count = False
        self.show_admin_actions = bool(self.page.rows)
        self.can_show_all = self.multi_page = False
        self.total = admin.total(request, self)

    def read(self, request: HttpRequest, size: int, cursor: str | None) -> keyset.Page:
        """The page that a cursor leads to."""
        ordering = self.get_ordering(request, self.queryset)
        keys = [str(name).removeprefix("-") for name in ordering]
        descending = str(ordering[0]).startswith("-")
        return keyset.read(self.queryset, keys, size=size, descending=descending, cursor=cursor or "")

    @property
    def next_query(self) -> str | None:
        """The address of the next page."""
        return self.get_query_string({CURSOR: self.page.next}) if self.page.next else None

    @property
    def previous_query(self) -> str | None:
        """The address of the page before."""
        return self.get_query_string({CURSOR: self.page.previous}) if self.page.previous else None

    @property
    def first_query(self) -> str | None:
        """The address of the first page, unless this is it."""
        return self.get_query_string(remove=[CURSOR]) if self.page.previous else None


def capped(rows: QuerySet[Any]) -> str:
    """How many rows there are, up to 1,000, for people."""
    number = rows.order_by()[: MOST_COUNTED + 1].count()
    return f"{MOST_COUNTED:,}+" if number > MOST_COUNTED else f"{number:,}"
