"""Change lists with keyset pagination, no count of a whole table and no order but the admin's."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core import paginator
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from cmc_webhooks import numerals
from cmc_webhooks.admin import filters, markup
from cmc_webhooks.db import keyset, long_texts, time_limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django_stubs_ext import StrOrPromise

    from cmc_webhooks.admin.shares import Found
    from cmc_webhooks.timezones import DateRange

    _Paginator = paginator.Paginator[Any]
else:
    _Paginator = paginator.Paginator

Result = TypeVar("Result")

CURSOR = "cursor"
MOST_COUNTED = 1000


class KeysetList(ChangeList):
    """A list in its admin's order, whatever the browser requests: other orders would sort the whole table."""

    page: keyset.Page
    total: str | None = None
    """The number of rows as text; None where they would have to be counted."""
    notice: str | None = None
    """A notice about the rows that the list leaves out."""
    found: Found | None = None
    """What became of the mails that a search found."""
    mistake: StrOrPromise = ""
    """What is wrong with the filters, if no row can match them."""
    is_stopped = False
    """Whether the search took too long, and shows no rows."""
    until: float | None = None
    """The value of `time.monotonic()` at which a search is stopped; None without a limit."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return list(self.model_admin.get_ordering(request))

    def get_filters_params(self, params: dict[str, Any] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = super().get_filters_params(params)
        return {name: value for name, value in found.items() if name != CURSOR}

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[Any]:
        admin: Any = self.model_admin
        queryset = super().get_queryset(request, exclude_parameters)
        reached: QuerySet[Any]
        reached, self.notice = admin.within_reach(request, queryset)
        if any(isinstance(each, filters.PeriodFilter) and each.is_reversed() for each in self.filter_specs):
            self.mistake = filters.REVERSED
            return reached.none()
        return reached

    def get_results(self, request: HttpRequest) -> None:
        self.until = getattr(getattr(request, "cmc_meaning", None), "until", None)
        try:
            page = self._shown(request, request.GET.get(CURSOR, ""))
        except keyset.BadCursor:
            raise IncorrectLookupParameters from None
        self.is_stopped = page is None
        self.page = page or keyset.Page([], None, None, "")
        self.result_list: Any = self.page.rows
        self.result_count = len(self.page.rows)
        self.full_result_count = None
        self.show_full_result_count = False
        self.show_admin_actions = bool(self.page.rows)
        self.can_show_all = self.multi_page = False
        self.total = None if self.mistake or self.is_stopped else self._total(request)

    def _total(self, request: HttpRequest) -> str | None:
        """Return the number of rows as text, without a query if a search found nothing."""
        if self.query and not self.page.rows and CURSOR not in request.GET:
            return "0"
        admin: Any = self.model_admin
        return self.in_time(lambda: admin.total(request, self))

    def in_time(self, read: Callable[[], Result]) -> Result | None:
        """Return what `read` returns, None if the search takes too long."""
        if self.until is None:
            return read()
        try:
            with time_limits.time_limit(self.queryset.db, self.until - time.monotonic()):
                return read()
        except time_limits.TooSlow:
            return None

    def read(self, request: HttpRequest, size: int, cursor: str | None) -> keyset.Page:
        """Return the page that a cursor leads to, with whole texts."""
        return self._read(request, self.queryset, size, cursor)

    def _shown(self, request: HttpRequest, cursor: str) -> keyset.Page | None:
        """Return the page to show, without the columns that it does not need, and with long texts cut.

        Return None if the search takes too long.
        """
        admin: Any = self.model_admin
        texts = long_texts.LongTexts(self.queryset.defer(*admin.list_defer), markup.CUT)
        page = self.in_time(lambda: self._read(request, texts.queryset, self.list_per_page, cursor))
        if page is not None:
            texts.fill(page.rows)
            admin.prepare(request, page.rows)
        return page

    def _read(
        self, request: HttpRequest, queryset: QuerySet[Any], size: int, cursor: str | None
    ) -> keyset.Page:
        ordering = self.get_ordering(request, self.queryset)
        keys = [str(name).removeprefix("-") for name in ordering]
        descending = str(ordering[0]).startswith("-")
        return keyset.read(queryset, keys, size=size, descending=descending, cursor=cursor or "")

    def url_of_days(self, days: DateRange) -> str:
        """Return the query string of the same list for other days."""
        chosen = {"from": days.first, "to": days.last}
        return self.get_query_string(
            {name: day.isoformat() for name, day in chosen.items() if day}, remove=["since", CURSOR]
        )

    @property
    def nothing(self) -> StrOrPromise:
        """Return why the list is empty: nothing matches, nothing is stored, or there is no further page."""
        if self.is_stopped:
            return ""  # the search says so
        if self.query or self.has_active_filters:
            return _("Nothing matches.")
        admin: Any = self.model_admin
        empty: StrOrPromise = admin.nothing
        return empty if not self.page.previous else _("There are no more.")

    @property
    def next_query(self) -> str | None:
        """Return the query string of the next page; None on the last page."""
        return self.get_query_string({CURSOR: self.page.next}) if self.page.next else None

    @property
    def previous_query(self) -> str | None:
        """Return the query string of the previous page; None on the first page."""
        return self.get_query_string({CURSOR: self.page.previous}) if self.page.previous else None

    @property
    def first_query(self) -> str | None:
        """Return the query string of the first page; None on that page itself."""
        return self.get_query_string(remove=[CURSOR]) if self.page.previous else None


class CappedPaginator(_Paginator):
    """Pages for Django's autocomplete, which would count the whole table: at most the first 1,000 rows."""

    @cached_property
    def count(self) -> int:
        return int(self.object_list[:MOST_COUNTED].count())  # type: ignore[attr-defined] # it is a queryset


def capped(rows: QuerySet[Any]) -> str:
    """Return the number of rows as text, counted up to 1,000; `1,000+` if there are more."""
    number = rows.order_by()[: MOST_COUNTED + 1].count()
    return f"{numerals.grouped(MOST_COUNTED)}+" if number > MOST_COUNTED else numerals.grouped(number)
