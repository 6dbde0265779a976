"""The filters beside the lists. A value that a filter does not offer redirects to the list, as in Django."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cmc_webhooks import event_types, timezones, wire
from cmc_webhooks.admin.labels import STATUS_WORDS
from cmc_webhooks.bounce_codes import BounceClass
from cmc_webhooks.db.text import exactly, one_of
from cmc_webhooks.models import Alert, Notification, PendingSignal, Trail, querysets
from cmc_webhooks.models.notifications import IS_OPEN
from cmc_webhooks.statistics import reports
from cmc_webhooks.status import DeliveryStatus
from cmc_webhooks.timezones import DateRange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from django.contrib.admin import ModelAdmin
    from django.db.models import QuerySet
    from django.http import HttpRequest

OTHER = "other"
REVERSED = _("The first day is after the last day.")


class ChoiceFilter(SimpleListFilter):
    """A filter with a few values, each with its condition."""

    template = "admin/cmc_webhooks/filter.html"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, Any]]:
        raise NotImplementedError

    def narrow(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Return the rows that match `value`, which is one of the choices."""
        raise NotImplementedError

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value is None:
            return queryset
        if value not in {choice for choice, _title in self.lookup_choices}:
            raise IncorrectLookupParameters
        return self.narrow(queryset, value)


class WordFilter(ChoiceFilter):
    """A filter with one choice for each known word, and one choice for all other words together."""

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

    def narrow(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Return the mails with a status. The daily counts name all others, so that an index finds them."""
        if value in self.words:
            return super().narrow(queryset, value)
        others = set(reports.statuses(queryset.db)).difference(self.words)
        return queryset.filter(one_of(queryset.db, self.column, others))


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
    """A filter with the choices of a column that holds no other values."""

    choices_of_column: Iterable[tuple[str, Any]]

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, Any]]:
        return self.choices_of_column

    def narrow(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(**{str(self.parameter_name): value})


class SourceFilter(ColumnFilter):
    """A filter of notifications by how they were received."""

    title = _("source")
    parameter_name = "source"
    choices_of_column = Notification.Sources.choices


class BounceClassFilter(ChoiceFilter):
    """A filter of rows by the class of their bounce code. `unknown` is every code that has no other class."""

    title = _("bounce class")
    parameter_name = "bounce_class"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, Any]]:
        return BounceClass.choices

    def narrow(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return querysets.with_bounce_class(queryset, [value])


class ServerCompositionFilter(ChoiceFilter):
    """A filter with each server composition that has mails. The daily counts name them all."""

    title = _("server composition")
    parameter_name = "server_composition"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, Any]]:
        names = set(reports.compositions(model_admin.get_queryset(request).db))
        if (asked := self.value()) is not None:
            names.add(wire.clean(asked))
        return [(name, name or _("(none)")) for name in sorted(names)]

    def value(self) -> str | None:
        asked: str | None = super().value()
        return asked if asked is None else wire.clean(asked)

    def narrow(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return exactly(queryset, "server_composition", value)


class Period(NamedTuple):
    """A period by its name, and the days that it means today."""

    label: Any
    days: Callable[[date], DateRange]


def _past(number: int) -> Callable[[date], DateRange]:
    """Return a period of this number of days, of which today is the last."""
    return lambda today: DateRange(today - timedelta(days=number - 1), today)


def _last_month(today: date) -> DateRange:
    last = today.replace(day=1) - timedelta(days=1)
    return DateRange(last.replace(day=1), last)


class PeriodFilter(ChoiceFilter):
    """A filter by period: since a preset day, or from one day to another."""

    title = _("date")
    parameter_name = "since"
    range_parameters = ("from", "to")
    template = "admin/cmc_webhooks/period_filter.html"
    periods = {
        "today": Period(_("today"), _past(1)),
        "7-days": Period(_("past 7 days"), _past(7)),
        "30-days": Period(_("past 30 days"), _past(30)),
        "last-month": Period(_("last month"), _last_month),
        "365-days": Period(_("past 365 days"), _past(365)),
    }

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: ModelAdmin[Any]
    ) -> None:
        self.range = {name: params.pop(name)[-1] for name in self.range_parameters if name in params}
        super().__init__(request, params, model, model_admin)
        self.others: list[tuple[str, str]] = []
        self.zone = timezone.get_default_timezone_name()

    @classmethod
    def days_meant(cls, parameters: Mapping[str, str]) -> DateRange:
        """Return the days that the parameters of a list name. Bounds that are not valid are left out."""
        period = cls.periods.get(parameters.get(cls.parameter_name, ""))
        preset = period.days(timezones.today()) if period else DateRange()
        given = DateRange(*(_day(parameters.get(name, "")) for name in cls.range_parameters))
        starts = [day for day in (preset.first, given.first) if day is not None]
        ends = [day for day in (preset.last, given.last) if day is not None]
        return DateRange(max(starts, default=None), min(ends, default=None))

    def is_reversed(self) -> bool:
        """Return whether the first day that was entered is after the last one."""
        return self.days_meant(self.range).is_reversed

    def expected_parameters(self) -> list[str | None]:
        return [self.parameter_name, *self.range_parameters]

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, Any]]:
        return [(name, period.label) for name, period in self.periods.items()]

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

    def narrow_days(self, queryset: QuerySet[Any], days: DateRange) -> QuerySet[Any]:
        """Return the rows of these days, found by an index."""
        begin, end = days.bounds()
        return self.between(queryset, begin, end) if begin or end else queryset

    def between(self, queryset: QuerySet[Any], begin: datetime | None, end: datetime | None) -> QuerySet[Any]:
        """Return the rows with `begin` <= time < `end`."""
        raise NotImplementedError


class FirstReceivedFilter(PeriodFilter):
    """A filter of mails by when they were first received."""

    def between(self, queryset: QuerySet[Any], begin: datetime | None, end: datetime | None) -> QuerySet[Any]:
        queryset = queryset.filter(created_at__gte=begin) if begin else queryset
        return queryset.filter(created_at__lt=end) if end else queryset


class OccurredFilter(PeriodFilter):
    """A filter of deliveries and bounces by when they occurred, found by the primary key."""

    def between(self, queryset: Any, begin: datetime | None, end: datetime | None) -> QuerySet[Any]:
        occurred: QuerySet[Any] = queryset.occurred_between(begin, end)
        return occurred


class ReceivedFilter(PeriodFilter):
    """A filter of notifications by when they were received, the time with which their keys begin."""

    def between(self, queryset: Any, begin: datetime | None, end: datetime | None) -> QuerySet[Any]:
        received: QuerySet[Any] = queryset.received_between(begin, end)
        return received


class ResolvedFilter(ChoiceFilter):
    """A filter of rejected events: open, resolved by reading them again, or dismissed by a person."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, Any]]:
        return [("open", _("open")), ("dismissed", _("dismissed")), ("resolved", _("resolved"))]

    def narrow(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        if value == "resolved":
            return queryset.exclude(resolved_at=None)
        if value == "open":
            return queryset.filter(IS_OPEN)
        return queryset.filter(resolved_at=None).exclude(dismissed_at=None)


class StateFilter(ColumnFilter):
    """A filter of the outbox: pending signals, or dead ones."""

    title = _("state")
    parameter_name = "state"
    choices_of_column = PendingSignal.States.choices


class TrailFilter(ColumnFilter):
    """A filter of the trail of personal data, by what was done."""

    title = _("action")
    parameter_name = "what"
    choices_of_column = Trail.Actions.choices


class OpenAlertFilter(ChoiceFilter):
    """A filter of alerts: those still open, or those resolved."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, Any]]:
        return [("open", _("open")), ("resolved", _("resolved"))]

    def narrow(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(open_key__isnull=value == "resolved")


class AlertKindFilter(ColumnFilter):
    """A filter of alerts, by what they are about."""

    title = _("kind")
    parameter_name = "kind"
    choices_of_column = Alert.Kinds.choices


def _day(text: str) -> date | None:
    """Return a day in ISO form, within the calendar of every database; None if it is not valid."""
    try:
        return timezones.day_within_calendar(date.fromisoformat(text))
    except ValueError:
        return None
