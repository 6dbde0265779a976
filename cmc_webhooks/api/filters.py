"""Filters of the lists, and the set of them that each list has. An unknown parameter is rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import connections
from django_filters import rest_framework as django_filters
from drf_spectacular.utils import extend_schema_field

from cmc_webhooks.api import datetimes, strict_params
from cmc_webhooks.api.descriptions import PARAMETERS
from cmc_webhooks.api.feed_cursors import changed_after
from cmc_webhooks.bounce_codes import BounceClass
from cmc_webhooks.db.text import exactly, one_of
from cmc_webhooks.models import Mail, Notification, querysets
from cmc_webhooks.models.querysets import NAME_LENGTH

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet
    from rest_framework.request import Request

    from cmc_webhooks.models.querysets import MailEventQuerySet, MailQuerySet

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
MOST = 100
MANY = 10_000
"""Mails of a value that is common: their events are not read mail by mail."""
OF_MANY = ("recipient", "sender", "domain", "api_data", "server_composition", "server_composition__in")
"""The filters by a value of the mail that many mails may have."""
_AT_MOST = RegexValidator(rf"\A[^,]*(,[^,]*){{0,{MOST - 1}}}\Z", f"At most {MOST} values are allowed.")


def _keys_of(text: str) -> list[UUID]:
    """Return the keys in a text, separated by commas.

    Raises:
        ValidationError: one of them is not a UUID.
    """
    try:
        return [UUID(each.strip()) for each in text.split(",")]
    except ValueError:
        raise ValidationError("Must be one or more UUIDs, separated by commas.") from None


class TextFilter(django_filters.CharFilter):  # type: ignore[misc] # untyped base
    """A filter for an exact text. Spaces, letter case and accents matter on every database."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, strip=False, max_length=LONGEST, **kwargs)

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return queryset
        return exactly(queryset, self.field_name, value)


class TextsFilter(TextFilter):
    """A filter for one of several exact texts, separated by commas."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, validators=[_AT_MOST], **kwargs)

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return queryset
        return queryset.filter(one_of(queryset.db, self.field_name, value.split(",")))


class DeliveryStatusFilter(TextFilter):
    """A filter for deliveries with a status."""

    def filter(self, queryset: Any, value: str) -> Any:
        return queryset.with_status(value) if value else queryset


class DeliveryStatusesFilter(TextsFilter):
    """A filter for deliveries with one of several statuses, separated by commas."""

    def filter(self, queryset: Any, value: str) -> Any:
        return queryset.with_status(*value.split(",")) if value else queryset


class MailBounceCodeFilter(TextFilter):
    """A filter for mails by the code of their winning bounce."""

    def filter(self, queryset: Any, value: str) -> Any:
        return queryset.with_bounce_code(value) if value else queryset


class MailBounceCodesFilter(TextsFilter):
    """A filter for mails by the code of their winning bounce, one of several, separated by commas."""

    def filter(self, queryset: Any, value: str) -> Any:
        return queryset.with_bounce_code(*value.split(",")) if value else queryset


class ApiDataFilter(TextFilter):
    """A filter for API data, cut to the stored length.

    SQLite uses the partial index only if the query repeats the index's condition.
    """

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        found = super().filter(queryset, value[:NAME_LENGTH])
        return found.exclude(**{self.field_name: ""}) if value else found


@extend_schema_field({"anyOf": [{"type": "string", "format": each} for each in ("date", "date-time")]})
class BoundFilter(django_filters.Filter):  # type: ignore[misc] # untyped base
    """A bound of a time range. The filter set applies both bounds at once, so `filter` does nothing."""

    field_class = datetimes.MomentField

    def filter(self, queryset: QuerySet[Any], value: datetime | None) -> QuerySet[Any]:
        return queryset


class KeyFilter(django_filters.UUIDFilter):  # type: ignore[misc] # untyped base
    """A filter for the key of a row."""


class KeysFilter(TextFilter):
    """A filter for rows by their keys, separated by commas."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validators=[_AT_MOST, _keys_of], **kwargs)

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(**{f"{self.field_name}__in": _keys_of(value)}) if value else queryset


class WordFilter(django_filters.ChoiceFilter):  # type: ignore[misc] # untyped base
    """A filter for one of a few values. The error message for another value lists them."""

    choices: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        allowed = f"Must be one of: {', '.join(word for word, _ in self.choices)}."
        errors = {"invalid_choice": allowed}
        super().__init__(*args, choices=self.choices, error_messages=errors, **kwargs)


class SourceFilter(WordFilter):
    """A filter for notifications by source."""

    choices = Notification.Sources.choices


class BounceClassFilter(WordFilter):
    """A filter for one of our classes of bounce codes. The class of a mail is that of its winning bounce."""

    choices = BounceClass.choices

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return querysets.with_bounce_class(queryset, [value]) if value else queryset


class BounceClassesFilter(TextFilter):
    """A filter for one of several bounce classes, separated by commas."""

    def __init__(self, **kwargs: Any) -> None:
        allowed = "|".join(BounceClass.values)
        message = f"Must be one or more of these, separated by commas: {', '.join(BounceClass.values)}."
        super().__init__(validators=[RegexValidator(rf"^({allowed})(,({allowed}))*\Z", message)], **kwargs)

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return querysets.with_bounce_class(queryset, value.split(",")) if value else queryset


class ResolvedFilter(WordFilter):
    """A filter for rejected events that were reprocessed or blanked since, or for the others."""

    choices = [("true", "true"), ("false", "false")]

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(resolved_at__isnull=value == "false") if value else queryset


class DismissedFilter(WordFilter):
    """A filter for rejected events that a person dismissed, or for the others."""

    choices = [("true", "true"), ("false", "false")]

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(dismissed_at__isnull=value == "false") if value else queryset


class FilterBackend(django_filters.DjangoFilterBackend):  # type: ignore[misc] # untyped base
    """A backend that filters lists, and rejects unknown or repeated parameters of lists and details."""

    def get_filterset_kwargs(self, request: Request, queryset: QuerySet[Any], view: Any) -> dict[str, Any]:
        found: dict[str, Any] = super().get_filterset_kwargs(request, queryset, view)
        return {**found, "data": strict_params.given(request)}

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        known = set()
        if not view.detail:
            known = view.paginator.query_params | view.filterset_class.base_filters.keys()
        strict_params.reject_unknown_params(request, view, known)
        return queryset if view.detail else super().filter_queryset(request, queryset, view)


def _for_message(queryset: MailQuerySet | MailEventQuerySet[Any], name: str, value: str) -> QuerySet[Any]:
    return queryset.for_message(value)


def _for_address(queryset: MailQuerySet | MailEventQuerySet[Any], name: str, value: str) -> QuerySet[Any]:
    return queryset.for_address(value)


def _for_sender(queryset: MailQuerySet | MailEventQuerySet[Any], name: str, value: str) -> QuerySet[Any]:
    return queryset.for_sender(value)


def _for_domain(queryset: MailQuerySet | MailEventQuerySet[Any], name: str, value: str) -> QuerySet[Any]:
    return queryset.for_domain(value)


def _between(queryset: Any, column: str, after: datetime | None, before: datetime | None) -> Any:
    if after is not None:
        queryset = queryset.filter(**{f"{column}__gte": after})
    return queryset if before is None else queryset.filter(**{f"{column}__lt": before})


class DescribedFilter(django_filters.FilterSet):  # type: ignore[misc] # untyped base
    """A filter set whose filters are labelled by their names and have their descriptions as help texts."""

    @classmethod
    def get_filters(cls) -> Any:
        found = super().get_filters()
        for name, each in found.items():
            each.label, each.extra["help_text"] = name, PARAMETERS[name][0]
        return found


class ReceivedFilter(DescribedFilter):
    """Filters by key and by time of receipt."""

    id__in = KeysFilter(field_name="id")
    received_after = BoundFilter(end=False)
    received_before = BoundFilter(end=True)

    def filter_queryset(self, queryset: Any) -> Any:
        found = super().filter_queryset(queryset)
        values = self.form.cleaned_data
        return self.received_between(found, values["received_after"], values["received_before"])

    def received_between(self, queryset: Any, after: datetime | None, before: datetime | None) -> Any:
        """Return the rows received at or after `after` and before `before`; None is an open end."""
        return _between(queryset, "received_at", after, before)


class OccurredFilter(ReceivedFilter):
    """Filters by time of receipt and by CMC's clock."""

    occurred_after = BoundFilter(end=False)
    occurred_before = BoundFilter(end=True)

    def filter_queryset(self, queryset: Any) -> Any:
        found = super().filter_queryset(queryset)
        values = self.form.cleaned_data
        return self.occurred_between(found, values["occurred_after"], values["occurred_before"])

    def occurred_between(self, queryset: Any, after: datetime | None, before: datetime | None) -> Any:
        """Return the rows that happened at or after `after` and before `before`; None is an open end."""
        return queryset.occurred_between(after, before)


class HistoryFilter(OccurredFilter):
    """Filters shared by the lists of mails and of their events."""

    message_id = TextFilter(method=_for_message)
    recipient = TextFilter(method=_for_address)
    sender = TextFilter(method=_for_sender)


class MailFilter(HistoryFilter):
    """Filters of mails. A mail's time is that of its first event, so each mail belongs to one day."""

    api_data = ApiDataFilter("api_data")
    server_composition = TextFilter("server_composition")
    server_composition__in = TextsFilter("server_composition")
    domain = TextFilter(method=_for_domain)
    status = TextFilter("status")
    status__in = TextsFilter("status")
    bounce_code = MailBounceCodeFilter()
    bounce_code__in = MailBounceCodesFilter()
    bounce_class = BounceClassFilter()
    bounce_class__in = BounceClassesFilter()
    changed_after = TextFilter(method=changed_after)

    def received_between(self, queryset: Any, after: datetime | None, before: datetime | None) -> Any:
        return _between(queryset, "created_at", after, before)

    def occurred_between(self, queryset: Any, after: datetime | None, before: datetime | None) -> Any:
        return _between(queryset, "first_event_at", after, before)


class MailEventFilter(HistoryFilter):
    """Filters shared by deliveries and bounces."""

    mail = KeyFilter("mail_id")
    api_data = ApiDataFilter("mail__api_data")
    server_composition = TextFilter("mail__server_composition")
    server_composition__in = TextsFilter("mail__server_composition")
    domain = TextFilter(method=_for_domain)

    def filter_queryset(self, queryset: Any) -> Any:
        found = super().filter_queryset(queryset)
        return found.before_mails() if self._are_of_many_mails(queryset.db) else found

    def _are_of_many_mails(self, using: str) -> bool:
        """Return whether very many mails have the values of the filters; on PostgreSQL, do not look.

        Reading their mails would then cost more than reading events until a page is full.
        """
        values = {name: self.form.cleaned_data[name] for name in OF_MANY if self.form.cleaned_data[name]}
        if not values or connections[using].vendor == "postgresql":
            return False
        mails = MailFilter(values, queryset=Mail.objects.using(using).order_by()).qs
        return bool(mails[MANY : MANY + 1].exists())


class DeliveryEventFilter(MailEventFilter):
    """Filters of deliveries, also by their own status."""

    status = DeliveryStatusFilter()
    status__in = DeliveryStatusesFilter()


class BounceEventFilter(MailEventFilter):
    """Filters of bounces, also by their own bounce code and class."""

    bounce_code = TextFilter("bounce_code")
    bounce_code__in = TextsFilter("bounce_code")
    bounce_class = BounceClassFilter()
    bounce_class__in = BounceClassesFilter()


class BlockEventFilter(OccurredFilter):
    """Filters of block events by time, address, bounce code and class."""

    recipient = TextFilter(method=_for_address)
    bounce_code = TextFilter("bounce_code")
    bounce_code__in = TextsFilter("bounce_code")
    bounce_class = BounceClassFilter()
    bounce_class__in = BounceClassesFilter()


class NotificationFilter(ReceivedFilter):
    """Filters of notifications."""

    source = SourceFilter("source")
    event_type = TextFilter("event_type")
    server_composition = TextFilter("server_composition")
    server_composition__in = TextsFilter("server_composition")

    def received_between(self, queryset: Any, after: datetime | None, before: datetime | None) -> Any:
        return queryset.received_between(after, before)


class RejectedEventFilter(ReceivedFilter):
    """Filters of rejected events. `resolved` means that an event was reprocessed or blanked since.

    Open ones are neither resolved nor dismissed.
    """

    event_type = TextFilter("event_type")
    server_composition = TextFilter("server_composition")
    server_composition__in = TextsFilter("server_composition")
    resolved = ResolvedFilter()
    dismissed = DismissedFilter()
