"""The words that lists are filtered by. A parameter that nobody reads is refused, never passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import django_filters.rest_framework as filters

from cmc_webhooks.api import parameters, refusals
from cmc_webhooks.api.descriptions import PARAMETERS

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet
    from rest_framework.request import Request

    from cmc_webhooks.querysets import MailEventQuerySet, MailQuerySet

__all__ = [
    "BlockEventFilter",
    "BounceEventFilter",
    "DeliveryEventFilter",
    "FilterBackend",
    "MailFilter",
    "NotificationFilter",
    "RejectedEventFilter",
]


class FilterBackend(filters.DjangoFilterBackend):  # type: ignore[misc] # untyped base
    """Filters lists; refuses parameters that are unknown or given twice, on lists and details."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        known = set()
        if not view.detail:
            known = view.paginator.query_params | view.filterset_class.base_filters.keys()
        refusals.refuse_unread(request, view, known)
        return queryset if view.detail else super().filter_queryset(request, queryset, view)


def _for_message(queryset: MailQuerySet | MailEventQuerySet, name: str, value: str) -> QuerySet[Any]:
    return queryset.for_message(value)


def _for_address(queryset: MailQuerySet | MailEventQuerySet, name: str, value: str) -> QuerySet[Any]:
    return queryset.for_address(value)


def _for_domain(queryset: MailQuerySet | MailEventQuerySet, name: str, value: str) -> QuerySet[Any]:
    return queryset.for_domain(value)


def _between(queryset: Any, column: str, after: datetime | None, before: datetime | None) -> Any:
    if after is not None:
        queryset = queryset.filter(**{f"{column}__gte": after})
    return queryset if before is None else queryset.filter(**{f"{column}__lt": before})


class DescribedFilter(filters.FilterSet):  # type: ignore[misc] # untyped base
    """Filters with their names as labels, and with what they mean."""

    @classmethod
    def get_filters(cls) -> Any:
        found = super().get_filters()
        for name, each in found.items():
            each.label, each.extra["help_text"] = name, PARAMETERS[name][0]
        return found


class ReceivedFilter(DescribedFilter):
    """By the time of receipt."""

    received_after = parameters.BoundFilter(end=False)
    received_before = parameters.BoundFilter(end=True)

    def filter_queryset(self, queryset: Any) -> Any:
        found = super().filter_queryset(queryset)
        values = self.form.cleaned_data
        return self.received_between(found, values["received_after"], values["received_before"])

    def received_between(self, queryset: Any, after: datetime | None, before: datetime | None) -> Any:
        """Those that were received from `after` on and before `before`."""
        return _between(queryset, "received_at", after, before)


class OccurredFilter(ReceivedFilter):
    """By CMC's clock as well."""

    occurred_after = parameters.BoundFilter(end=False)
    occurred_before = parameters.BoundFilter(end=True)

    def filter_queryset(self, queryset: Any) -> Any:
        found = super().filter_queryset(queryset)
        values = self.form.cleaned_data
        return self.occurred_between(found, values["occurred_after"], values["occurred_before"])

    def occurred_between(self, queryset: Any, after: datetime | None, before: datetime | None) -> Any:
        """Those that happened from `after` on and before `before`."""
        return queryset.occurred_between(after, before)


class HistoryFilter(OccurredFilter):
    """What the lists of mails and of their events have in common."""

    message_id = parameters.TextFilter(method=_for_message)
    recipient = parameters.TextFilter(method=_for_address)


class MailFilter(HistoryFilter):
    """Mails. A mail's time is that of its first event, so each belongs to one day."""

    sender = parameters.SenderFilter("header_from")
    api_data = parameters.ApiDataFilter("api_data")
    server_composition = parameters.TextFilter("server_composition")
    server_composition__in = parameters.TextsFilter("server_composition")
    domain = parameters.TextFilter(method=_for_domain)
    status = parameters.TextFilter("status")
    status__in = parameters.TextsFilter("status")
    bounce_code = parameters.TextFilter("bounce_code")
    bounce_code__in = parameters.TextsFilter("bounce_code")
    bounce_class = parameters.BounceClassFilter()
    bounce_class__in = parameters.BounceClassesFilter()

    def received_between(self, queryset: Any, after: datetime | None, before: datetime | None) -> Any:
        return _between(queryset, "created_at", after, before)

    def occurred_between(self, queryset: Any, after: datetime | None, before: datetime | None) -> Any:
        return _between(queryset, "first_event_at", after, before)


class MailEventFilter(HistoryFilter):
    """What deliveries and bounces have in common."""

    sender = parameters.SenderFilter("mail__header_from")
    api_data = parameters.ApiDataFilter("mail__api_data")
    server_composition = parameters.TextFilter("mail__server_composition")
    server_composition__in = parameters.TextsFilter("mail__server_composition")
    domain = parameters.TextFilter(method=_for_domain)


class DeliveryEventFilter(MailEventFilter):
    """Deliveries, by their own status."""

    status = parameters.DeliveryStatusFilter()
    status__in = parameters.DeliveryStatusesFilter()


class BounceEventFilter(MailEventFilter):
    """Bounces, by their own code."""

    bounce_code = parameters.TextFilter("bounce_code")
    bounce_code__in = parameters.TextsFilter("bounce_code")
    bounce_class = parameters.BounceClassFilter()
    bounce_class__in = parameters.BounceClassesFilter()


class BlockEventFilter(OccurredFilter):
    """Blocks, by address and code."""

    recipient = parameters.TextFilter(method=_for_address)
    bounce_code = parameters.TextFilter("bounce_code")
    bounce_code__in = parameters.TextsFilter("bounce_code")
    bounce_class = parameters.BounceClassFilter()
    bounce_class__in = parameters.BounceClassesFilter()


class NotificationFilter(ReceivedFilter):
    """Notifications."""

    source = parameters.SourceFilter("source")
    event_type = parameters.TextFilter("event_type")
    server_composition = parameters.TextFilter("server_composition")
    server_composition__in = parameters.TextsFilter("server_composition")

    def received_between(self, queryset: Any, after: datetime | None, before: datetime | None) -> Any:
        return queryset.received_between(after, before)


class RejectedEventFilter(ReceivedFilter):
    """Rejected events; `resolved` are those that were read again since."""

    event_type = parameters.TextFilter("event_type")
    server_composition = parameters.TextFilter("server_composition")
    server_composition__in = parameters.TextsFilter("server_composition")
    resolved = parameters.ResolvedFilter()
