"""The words that lists are filtered by. A parameter that nobody reads is refused, never passed over."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

import django_filters.rest_framework as filters
from django.core.validators import RegexValidator
from django.db.models import Q
from rest_framework import exceptions

from cmc_webhooks import bounces, wire
from cmc_webhooks.api import moments
from cmc_webhooks.querysets import exactly
from cmc_webhooks.status import BounceClass

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

LONGEST = 4000


class FilterBackend(filters.DjangoFilterBackend):  # type: ignore[misc] # untyped base
    """Filters lists; refuses parameters that are unknown or given twice, on lists and details."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        known = {view.settings.URL_FORMAT_OVERRIDE}
        if not view.detail:
            known |= view.paginator.query_params | view.filterset_class.base_filters.keys()
        for name, values in request.query_params.lists():
            if name not in known:
                allowed = ", ".join(sorted(filter(None, known)))
                raise exceptions.ParseError(f"Unknown parameter {name[:64]!a}. Allowed are: {allowed}.")
            if len(values) > 1:
                raise exceptions.ParseError(f"{name} is given {len(values)} times. Once is allowed.")
        return queryset if view.detail else super().filter_queryset(request, queryset, view)


class TextFilter(filters.CharFilter):  # type: ignore[misc] # untyped base
    """The very text; blanks, letter case and accents count on every database."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, strip=False, max_length=LONGEST, **kwargs)

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return queryset
        return exactly(queryset, self.field_name, value)


class TextsFilter(TextFilter):
    """One of several texts, with commas between them."""

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return queryset
        found = [exactly(queryset, self.field_name, text) for text in value.split(",")]
        return reduce(or_, found)


class DomainFilter(TextFilter):
    """A recipient domain, in any letter case."""

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return super().filter(queryset, value.removeprefix("@").lower()) if value else queryset


class ApiDataFilter(TextFilter):
    """API data; SQLite takes the partial index only where the query repeats its condition."""

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        found = super().filter(queryset, value)
        return found.exclude(**{self.field_name: ""}) if value else found


class SenderFilter(TextFilter):
    """The address of a From header, with or without a display name, in any letter case."""

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return queryset
        address = wire.normalise_address(value)
        bare = Q(**{f"{self.field_name}__iexact": address})
        named = Q(**{f"{self.field_name}__iendswith": f"<{address}>"})
        return queryset.filter(bare | named)


class BoundFilter(filters.Filter):  # type: ignore[misc] # untyped base
    """One end of a range of time; `HistoryFilter.filter_queryset` filters by both at once."""

    field_class = moments.MomentField

    def filter(self, queryset: QuerySet[Any], value: datetime | None) -> QuerySet[Any]:
        return queryset


class BounceClassFilter(filters.ChoiceFilter):  # type: ignore[misc] # untyped base
    """One of our classes of bounce codes; of mails, those whose winning bounce is of the class."""

    def __init__(self, **kwargs: Any) -> None:
        allowed = f"Allowed are: {', '.join(BounceClass.values)}."
        super().__init__(choices=BounceClass.choices, error_messages={"invalid_choice": allowed}, **kwargs)

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return bounces.of_classes(queryset, [value]) if value else queryset


class BounceClassesFilter(TextFilter):
    """One of several classes, with commas between them."""

    def __init__(self, **kwargs: Any) -> None:
        allowed = "|".join(BounceClass.values)
        message = f"Allowed are, with commas between them: {', '.join(BounceClass.values)}."
        super().__init__(validators=[RegexValidator(f"^({allowed})(,({allowed}))*$", message)], **kwargs)

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return bounces.of_classes(queryset, value.split(",")) if value else queryset


class ResolvedFilter(filters.ChoiceFilter):  # type: ignore[misc] # untyped base
    """Rejected events that were read again since, or those that were not."""

    def __init__(self, **kwargs: Any) -> None:
        choices = [("true", "true"), ("false", "false")]
        super().__init__(
            choices=choices, error_messages={"invalid_choice": "Allowed are: true, false."}, **kwargs
        )

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(resolved_at__isnull=value == "false") if value else queryset


def _for_message(queryset: MailQuerySet | MailEventQuerySet, name: str, value: str) -> QuerySet[Any]:
    return queryset.for_message(value)


def _for_address(queryset: MailQuerySet | MailEventQuerySet, name: str, value: str) -> QuerySet[Any]:
    return queryset.for_address(value)


class ReceivedFilter(filters.FilterSet):  # type: ignore[misc] # untyped base
    """By the time of receipt."""

    received_after = BoundFilter(
        end=False, label="received_after", help_text="A day, or a time in ISO 8601; included."
    )
    received_before = BoundFilter(
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

    occurred_after = BoundFilter(
        end=False, label="occurred_after", help_text="A day, or a time in ISO 8601; included."
    )
    occurred_before = BoundFilter(
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

    message_id = TextFilter(
        method=_for_message, label="message_id", help_text="With or without angle brackets."
    )
    recipient = TextFilter(
        method=_for_address, label="recipient", help_text="An address in any spelling, or Name <address>."
    )


class MailFilter(HistoryFilter):
    """Mails. A mail's time is that of its first event, so each belongs to one day."""

    sender = SenderFilter("header_from", label="sender")
    api_data = ApiDataFilter("api_data", label="api_data")
    server_composition = TextFilter("server_composition", label="server_composition")
    server_composition__in = TextsFilter("server_composition", label="server_composition__in")
    domain = DomainFilter("domain", label="domain")
    status = TextFilter("status", label="status")
    status__in = TextsFilter("status", label="status__in")
    bounce_code = TextFilter("bounce_code", label="bounce_code")
    bounce_code__in = TextsFilter("bounce_code", label="bounce_code__in")
    bounce_class = BounceClassFilter(label="bounce_class")
    bounce_class__in = BounceClassesFilter(label="bounce_class__in")
    received = "created_at"

    def between(self, queryset: Any, after: datetime | None, before: datetime | None) -> Any:
        if after is not None:
            queryset = queryset.filter(first_event_at__gte=after)
        if before is not None:
            queryset = queryset.filter(first_event_at__lt=before)
        return queryset


class MailEventFilter(HistoryFilter):
    """What deliveries and bounces have in common."""

    sender = SenderFilter("mail__header_from", label="sender")
    api_data = ApiDataFilter("mail__api_data", label="api_data")
    server_composition = TextFilter("mail__server_composition", label="server_composition")
    server_composition__in = TextsFilter("mail__server_composition", label="server_composition__in")
    domain = DomainFilter("mail__domain", label="domain")

    def between(self, queryset: Any, after: datetime | None, before: datetime | None) -> Any:
        return queryset.occurred_between(after, before)


class DeliveryEventFilter(MailEventFilter):
    """Deliveries, by their own status."""

    status = TextFilter("status", label="status")
    status__in = TextsFilter("status", label="status__in")


class BounceEventFilter(MailEventFilter):
    """Bounces, by their own code."""

    bounce_code = TextFilter("bounce_code", label="bounce_code")
    bounce_code__in = TextsFilter("bounce_code", label="bounce_code__in")
    bounce_class = BounceClassFilter(label="bounce_class")
    bounce_class__in = BounceClassesFilter(label="bounce_class__in")


class BlockEventFilter(OccurredFilter):
    """Blocks, by address and code."""

    recipient = TextFilter(
        method=_for_address, label="recipient", help_text="An address in any spelling, or Name <address>."
    )
    bounce_code = TextFilter("bounce_code", label="bounce_code")
    bounce_code__in = TextsFilter("bounce_code", label="bounce_code__in")
    bounce_class = BounceClassFilter(label="bounce_class")
    bounce_class__in = BounceClassesFilter(label="bounce_class__in")

    def between(self, queryset: Any, after: datetime | None, before: datetime | None) -> Any:
        return queryset.occurred_between(after, before)


class NotificationFilter(ReceivedFilter):
    """Notifications."""

    event_type = TextFilter("event_type", label="event_type")
    server_composition = TextFilter("server_composition", label="server_composition")


class RejectedEventFilter(ReceivedFilter):
    """Rejected events; `resolved` are those that were read again since."""

    event_type = TextFilter("event_type", label="event_type")
    server_composition = TextFilter("server_composition", label="server_composition")
    resolved = ResolvedFilter(label="resolved")
