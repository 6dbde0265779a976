"""The words that lists are filtered by. A parameter that nobody reads is refused, never passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import django_filters.rest_framework as filters

from cmc_webhooks.api import parameters, refusals

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


class ReceivedFilter(filters.FilterSet):  # type: ignore[misc] # untyped base
    """By the time of receipt."""

    received_after = parameters.BoundFilter(
        end=False, label="received_after", help_text="A day, or a time in ISO 8601; included."
    )
    received_before = parameters.BoundFilter(
        end=True,
        label="received_before",
        help_text="A day, which is included, or a time in ISO 8601, which is not.",
    )
    received = "received_at"
    """The column of that time."""

    def filter_queryset(self, queryset: Any) -> Any:
        found = super().filter_queryset(queryset)
        after, before = (self.form.cleaned_data[f"received_{end}"] for end in ("after", "before"))
        if after is not None:
            found = found.filter(**{f"{self.received}__gte": after})
        return found if before is None else found.filter(**{f"{self.received}__lt": before})


class OccurredFilter(ReceivedFilter):
    """By CMC's clock as well."""

    occurred_after = parameters.BoundFilter(
        end=False, label="occurred_after", help_text="A day, or a time in ISO 8601; included."
    )
    occurred_before = parameters.BoundFilter(
        end=True,
        label="occurred_before",
        help_text="A day, which is included, or a time in ISO 8601, which is not.",
    )

    def filter_queryset(self, queryset: Any) -> Any:
        found = super().filter_queryset(queryset)
        values = self.form.cleaned_data
        return self.between(found, values["occurred_after"], values["occurred_before"])

    def between(self, queryset: Any, after: datetime | None, before: datetime | None) -> Any:
        """Those that happened from `after` on and before `before`."""
        raise NotImplementedError


class HistoryFilter(OccurredFilter):
    """What the lists of mails and of their events have in common."""

    message_id = parameters.TextFilter(
        method=_for_message, label="message_id", help_text="With or without angle brackets."
    )
    recipient = parameters.TextFilter(
        method=_for_address, label="recipient", help_text="An address in any spelling, or Name <address>."
    )


class MailFilter(HistoryFilter):
    """Mails. A mail's time is that of its first event, so each belongs to one day."""

    sender = parameters.SenderFilter("header_from", label="sender")
    api_data = parameters.ApiDataFilter("api_data", label="api_data")
    server_composition = parameters.TextFilter("server_composition", label="server_composition")
    server_composition__in = parameters.TextsFilter("server_composition", label="server_composition__in")
    domain = parameters.DomainFilter("domain", label="domain")
    status = parameters.TextFilter("status", label="status")
    status__in = parameters.TextsFilter("status", label="status__in")
    bounce_code = parameters.TextFilter("bounce_code", label="bounce_code")
    bounce_code__in = parameters.TextsFilter("bounce_code", label="bounce_code__in")
    bounce_class = parameters.BounceClassFilter(label="bounce_class")
    bounce_class__in = parameters.BounceClassesFilter(label="bounce_class__in")
    received = "created_at"

    def between(self, queryset: Any, after: datetime | None, before: datetime | None) -> Any:
        if after is not None:
            queryset = queryset.filter(first_event_at__gte=after)
        if before is not None:
            queryset = queryset.filter(first_event_at__lt=before)
        return queryset


class MailEventFilter(HistoryFilter):
    """What deliveries and bounces have in common."""

    sender = parameters.SenderFilter("mail__header_from", label="sender")
    api_data = parameters.ApiDataFilter("mail__api_data", label="api_data")
    server_composition = parameters.TextFilter("mail__server_composition", label="server_composition")
    server_composition__in = parameters.TextsFilter(
        "mail__server_composition", label="server_composition__in"
    )
    domain = parameters.DomainFilter("mail__domain", label="domain")

    def between(self, queryset: Any, after: datetime | None, before: datetime | None) -> Any:
        return queryset.occurred_between(after, before)


class DeliveryEventFilter(MailEventFilter):
    """Deliveries, by their own status."""

    status = parameters.TextFilter("status", label="status")
    status__in = parameters.TextsFilter("status", label="status__in")


class BounceEventFilter(MailEventFilter):
    """Bounces, by their own code."""

    bounce_code = parameters.TextFilter("bounce_code", label="bounce_code")
    bounce_code__in = parameters.TextsFilter("bounce_code", label="bounce_code__in")
    bounce_class = parameters.BounceClassFilter(label="bounce_class")
    bounce_class__in = parameters.BounceClassesFilter(label="bounce_class__in")


class BlockEventFilter(OccurredFilter):
    """Blocks, by address and code."""

    recipient = parameters.TextFilter(
        method=_for_address, label="recipient", help_text="An address in any spelling, or Name <address>."
    )
    bounce_code = parameters.TextFilter("bounce_code", label="bounce_code")
    bounce_code__in = parameters.TextsFilter("bounce_code", label="bounce_code__in")
    bounce_class = parameters.BounceClassFilter(label="bounce_class")
    bounce_class__in = parameters.BounceClassesFilter(label="bounce_class__in")

    def between(self, queryset: Any, after: datetime | None, before: datetime | None) -> Any:
        return queryset.occurred_between(after, before)


class NotificationFilter(ReceivedFilter):
    """Notifications."""

    source = parameters.SourceFilter("source", label="source")
    event_type = parameters.TextFilter("event_type", label="event_type")
    server_composition = parameters.TextFilter("server_composition", label="server_composition")


class RejectedEventFilter(ReceivedFilter):
    """Rejected events; `resolved` are those that were read again since."""

    event_type = parameters.TextFilter("event_type", label="event_type")
    server_composition = parameters.TextFilter("server_composition", label="server_composition")
    resolved = parameters.ResolvedFilter(label="resolved")
