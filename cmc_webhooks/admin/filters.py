"""The filters beside the lists. A value that none of them offers leads back to the list, Django's way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cmc_webhooks import event_types, wire
from cmc_webhooks.admin.words import STATUS_WORDS
from cmc_webhooks.models import PendingSignal
from cmc_webhooks.querysets import exactly
from cmc_webhooks.status import BOUNCE_CODES, BOUNCED, BounceClass, DeliveryStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
            return queryset.filter(**{self.column: value})
        return queryset.exclude(**{f"{self.column}__in": list(self.words)})


class MailStatusFilter(WordFilter):
    title = _("status")
    parameter_name = column = "status"
    words = STATUS_WORDS


class DeliveryStatusFilter(WordFilter):
    title = _("status")
    parameter_name = column = "status"
    words = {status: STATUS_WORDS[status] for status in DeliveryStatus.values}


class EventTypeFilter(WordFilter):
    title = _("event type")
    parameter_name = column = "event_type"
    words = {name: name for name in event_types.EVENT_TYPES}


class BounceClassFilter(ChoiceFilter):
    """Rows whose bounce code has a class; unknown is every code that no other class has."""

    title = _("bounce class")
    parameter_name = "bounce_class"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, Any]]:
        return BounceClass.choices

    def narrow(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        if value == BounceClass.UNKNOWN:
            known = [code for code, (_label, kind) in BOUNCE_CODES.items() if kind != BounceClass.UNKNOWN]
            return queryset.exclude(bounce_code__in=known)
        return queryset.filter(
            bounce_code__in=[code for code, (_label, kind) in BOUNCE_CODES.items() if kind == value]
        )


class MailBounceClassFilter(BounceClassFilter):
    """The same for mails, by the winning bounce; the status alone finds them by index."""

    def narrow(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        bounced = queryset.filter(status=BOUNCED, bounce_event_id__isnull=False)
        return super().narrow(bounced, value)


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


class PeriodFilter(ChoiceFilter):
    """Since when, in days of the active zone."""

    title = _("date")
    parameter_name = "since"
    periods = {
        "today": (_("today"), 0),
        "7-days": (_("past 7 days"), 7),
        "30-days": (_("past 30 days"), 30),
        "365-days": (_("past 365 days"), 365),
    }

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, Any]]:
        return [(name, label) for name, (label, _days) in self.periods.items()]

    def narrow(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        _label, days = self.periods[value]
        return self.since(queryset, _midnight() - timedelta(days=days))

    def since(self, queryset: QuerySet[Any], start: datetime) -> QuerySet[Any]:
        """The rows from `start` on, by an index."""
        raise NotImplementedError


class FirstReceivedFilter(PeriodFilter):
    """For mails."""

    def since(self, queryset: QuerySet[Any], start: datetime) -> QuerySet[Any]:
        return queryset.filter(created_at__gte=start)


class OccurredFilter(PeriodFilter):
    """For deliveries and bounces; the primary key finds them."""

    def since(self, queryset: Any, start: datetime) -> QuerySet[Any]:
        occurred: QuerySet[Any] = queryset.occurred_between(after=start)
        return occurred


class ReceivedFilter(PeriodFilter):
    """For notifications, whose keys begin with the time of receipt."""

    def since(self, queryset: QuerySet[Any], start: datetime) -> QuerySet[Any]:
        aware = timezone.make_aware(start) if timezone.is_naive(start) else start
        return queryset.filter(pk__gte=wire.key_at(aware.astimezone(UTC)))


class ResolvedFilter(ChoiceFilter):
    """Rejected events that still wait, or those that were read again since."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, Any]]:
        return [("open", _("open")), ("resolved", _("resolved"))]

    def narrow(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(resolved_at__isnull=value == "open")


class StateFilter(ChoiceFilter):
    """Pending signals that are owed, or dead."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, Any]]:
        return PendingSignal.States.choices

    def narrow(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(state=value)


def _midnight() -> datetime:
    """When today began, as the project stores times."""
    now = timezone.now()
    here = timezone.localtime(now) if timezone.is_aware(now) else now
    return here.replace(hour=0, minute=0, second=0, microsecond=0)
