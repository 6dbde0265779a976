"""The filters beside the lists. A value that none of them offers leads back to the list, Django's way."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cmc_webhooks import bounces, event_types, figures, keyset, statistics, wire
from cmc_webhooks.admin.words import STATUS_WORDS
from cmc_webhooks.models import Notification, PendingSignal
from cmc_webhooks.querysets import exactly
from cmc_webhooks.status import BounceClass, DeliveryStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from django.contrib.admin import ModelAdmin
    from django.db.models import QuerySet
    from django.http import HttpRequest

OTHER = "other"
RECENT_MAILS = 1000


class ChoiceFilter(SimpleListFilter):
    """One of a few values, each with its condition."""

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, Any]]:
        raise NotImplementedError

    def narrow(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """The rows that `value`, one of the choices, lets through."""
        raise NotImplementedError

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value is None:
            return queryset
        if value not in {choice for choice, _title in self.lookup_choices}:
            raise IncorrectLookupParameters
        return self.narrow(queryset, value)


class WordFilter(ChoiceFilter):
    """The words of a list that is known, each alone, and all others together."""

    column: str
    words: Mapping[str, Any]

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, Any]]:
        return [*self.words.items(), (OTHER, _("other"))]

    def narrow(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        if value in self.words:
            return exactly(queryset, self.column, value)
        return queryset.exclude(**{f"{self.column}__in": list(self.words)})


class MailStatusFilter(WordFilter):
    title = _("status")
    parameter_name = column = "status"
    words = STATUS_WORDS


class DeliveryStatusFilter(WordFilter):
    title = _("status")
    parameter_name = column = "status"
    words = {status: STATUS_WORDS[status] for status in DeliveryStatus.values}

    def narrow(self, queryset: Any, value: str) -> QuerySet[Any]:
        found: QuerySet[Any] = (
            queryset.with_status(value) if value in self.words else super().narrow(queryset, value)
        )
        return found


class EventTypeFilter(WordFilter):
    title = _("event type")
    parameter_name = column = "event_type"
    words = {name: name for name in event_types.EVENT_TYPES}


class ColumnFilter(ChoiceFilter):
    """The choices of a column that holds no other word."""

    choices_of_column: Iterable[tuple[str, Any]]

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, Any]]:
        return self.choices_of_column

    def narrow(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(**{str(self.parameter_name): value})


class SourceFilter(ColumnFilter):
    """Notifications by how they came."""

    title = _("source")
    parameter_name = "source"
    choices_of_column = Notification.Sources.choices


class BounceClassFilter(ChoiceFilter):
    """Rows whose bounce code has a class; unknown is every code that no other class has."""

    title = _("bounce class")
    parameter_name = "bounce_class"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, Any]]:
        return BounceClass.choices

    def narrow(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return bounces.of_classes(queryset, [value])


class ServerCompositionFilter(ChoiceFilter):
    """The names that the latest mails have, since all mails would have to be read for a complete list."""

    title = _("server composition")
    parameter_name = "server_composition"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, Any]]:
        latest = model_admin.get_queryset(request).order_by("-created_at", "-pk")
        names = set(latest.values_list("server_composition", flat=True)[:RECENT_MAILS])
        if (asked := self.value()) is not None:
            names.add(wire.clean(asked))
        return [(name, name or _("(none)")) for name in sorted(names)]

    def value(self) -> str | None:
        asked: str | None = super().value()
        return asked if asked is None else wire.clean(asked)

    def narrow(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return exactly(queryset, "server_composition", value)


class Days(NamedTuple):
    """Days of the project's TIME_ZONE, both ends among them; None: no bound."""

    first: date | None = None
    last: date | None = None

    def are_at_most(self, number: int) -> bool:
        """Whether both bounds are given, and not further apart."""
        if self.first is None:
            return False
        last = self.last or figures.today()
        return (last - self.first).days < number

    def bounds(self) -> tuple[datetime | None, datetime | None]:
        """When they begin and end, as the project stores times."""
        begin = statistics.day_range(self.first)[0] if self.first else None
        return begin, statistics.day_range(self.last)[1] if self.last else None


class PeriodFilter(ChoiceFilter):
    """Since when, or from one day to another."""

    title = _("date")
    parameter_name = "since"
    range_parameters = ("from", "to")
    template = "admin/cmc_webhooks/period_filter.html"
    periods = {
        "today": (_("today"), 0),
        "7-days": (_("past 7 days"), 7),
        "30-days": (_("past 30 days"), 30),
        "365-days": (_("past 365 days"), 365),
    }

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: ModelAdmin[Any]
    ) -> None:
        self.range = {name: params.pop(name)[-1] for name in self.range_parameters if name in params}
        super().__init__(request, params, model, model_admin)
        self.others: list[tuple[str, str]] = []
        self.zone = timezone.get_default_timezone_name()

    @classmethod
    def days_meant(cls, parameters: Mapping[str, str]) -> Days:
        """The days that the parameters of a list name; bounds that are none are left out."""
        _label, ago = cls.periods.get(parameters.get(cls.parameter_name, ""), ("", None))
        first = figures.today() - timedelta(days=ago) if ago is not None else None
        given = [_day(parameters.get(name, "")) for name in cls.range_parameters]
        starts = [day for day in (first, given[0]) if day is not None]
        return Days(max(starts, default=None), given[1])

    def expected_parameters(self) -> list[str | None]:
        return [self.parameter_name, *self.range_parameters]

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, Any]]:
        return [(name, label) for name, (label, _days) in self.periods.items()]

    def choices(self, changelist: Any) -> Iterator[Any]:
        own = {self.parameter_name, *self.range_parameters}
        self.others = [(name, value) for name, value in changelist.params.items() if name not in own]
        own_range = list(self.range_parameters)
        yield {
            "selected": self.value() is None and not self.range,
            "query_string": changelist.get_query_string(remove=[self.parameter_name, *own_range]),
            "display": _("All"),
        }
        for name, label in self.lookup_choices:
            yield {
                "selected": self.value() == name,
                "query_string": changelist.get_query_string({self.parameter_name: name}, own_range),
                "display": label,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if any(value and _day(value) is None for value in self.range.values()):
            raise IncorrectLookupParameters
        return super().queryset(request, self.narrow_days(queryset, self.days_meant(self.range)))

    def narrow(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return self.narrow_days(queryset, self.days_meant({self.parameter_name: value}))

    def narrow_days(self, queryset: QuerySet[Any], days: Days) -> QuerySet[Any]:
        """The rows of these days, by an index."""
        begin, end = days.bounds()
        return self.between(queryset, begin, end) if begin or end else queryset

    def between(self, queryset: QuerySet[Any], begin: datetime | None, end: datetime | None) -> QuerySet[Any]:
        """The rows from `begin` until before `end`."""
        raise NotImplementedError


class FirstReceivedFilter(PeriodFilter):
    """For mails."""

    def between(self, queryset: QuerySet[Any], begin: datetime | None, end: datetime | None) -> QuerySet[Any]:
        queryset = queryset.filter(created_at__gte=begin) if begin else queryset
        return queryset.filter(created_at__lt=end) if end else queryset


class OccurredFilter(PeriodFilter):
    """For deliveries and bounces; the primary key finds them."""

    def between(self, queryset: Any, begin: datetime | None, end: datetime | None) -> QuerySet[Any]:
        occurred: QuerySet[Any] = queryset.occurred_between(begin, end)
        return occurred


class ReceivedFilter(PeriodFilter):
    """For notifications, whose keys begin with the time of receipt."""

    def between(self, queryset: Any, begin: datetime | None, end: datetime | None) -> QuerySet[Any]:
        received: QuerySet[Any] = queryset.received_between(begin, end)
        return received


class ResolvedFilter(ChoiceFilter):
    """Rejected events that still wait, or those that were read again since."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, Any]]:
        return [("open", _("open")), ("resolved", _("resolved"))]

    def narrow(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(resolved_at__isnull=value == "open")


class StateFilter(ColumnFilter):
    """Pending signals that are owed, or dead."""

    title = _("state")
    parameter_name = "state"
    choices_of_column = PendingSignal.States.choices


def _day(text: str) -> date | None:
    """A day in ISO form, within the years that every database knows."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.year in keyset.YEARS else None
