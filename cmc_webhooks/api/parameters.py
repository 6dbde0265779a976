"""What single parameters of a list mean: a word, one of several, one of a few, one end of a range of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import django_filters.rest_framework as filters
from django.core.validators import RegexValidator
from django.db.models import Q
from drf_spectacular.utils import extend_schema_field

from cmc_webhooks import bounces, wire
from cmc_webhooks.api import moments
from cmc_webhooks.models import Notification
from cmc_webhooks.querysets import NAME_LENGTH, exactly, one_of
from cmc_webhooks.status import BounceClass

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet

__all__ = [
    "ApiDataFilter",
    "BounceClassFilter",
    "BounceClassesFilter",
    "BoundFilter",
    "DeliveryStatusFilter",
    "DeliveryStatusesFilter",
    "ResolvedFilter",
    "SenderFilter",
    "SourceFilter",
    "TextFilter",
    "TextsFilter",
]

LONGEST = 4000
MOST = 100
_AT_MOST = RegexValidator(rf"\A[^,]*(,[^,]*){{0,{MOST - 1}}}\Z", f"At most {MOST} values are allowed.")


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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, validators=[_AT_MOST], **kwargs)

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return queryset
        return queryset.filter(one_of(queryset.db, self.field_name, value.split(",")))


class DeliveryStatusFilter(TextFilter):
    """A status of deliveries."""

    def filter(self, queryset: Any, value: str) -> Any:
        return queryset.with_status(value) if value else queryset


class DeliveryStatusesFilter(TextsFilter):
    """One of several, with commas between them."""

    def filter(self, queryset: Any, value: str) -> Any:
        return queryset.with_status(*value.split(",")) if value else queryset


class ApiDataFilter(TextFilter):
    """API data, as much of it as is kept.

    SQLite takes the partial index only where the query repeats its condition.
    """

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        found = super().filter(queryset, value[:NAME_LENGTH])
        return found.exclude(**{self.field_name: ""}) if value else found


class SenderFilter(TextFilter):
    """The address of a From header, with or without a display name, in any letter case."""

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return queryset
        address = wire.normalise_address(value)
        if not address:
            return queryset.none()
        # Planners know how frequent a text is that is compared as it is
        usual = Q(**{self.field_name: address}) | Q(**{self.field_name: value})
        bare = Q(**{f"{self.field_name}__iexact": address})
        named = Q(**{f"{self.field_name}__iendswith": f"<{address}>"})
        return queryset.filter(usual | bare | named)


@extend_schema_field({"anyOf": [{"type": "string", "format": each} for each in ("date", "date-time")]})
class BoundFilter(filters.Filter):  # type: ignore[misc] # untyped base
    """One end of a range of time; the sets of filters filter by both at once."""

    field_class = moments.MomentField

    def filter(self, queryset: QuerySet[Any], value: datetime | None) -> QuerySet[Any]:
        return queryset


class WordFilter(filters.ChoiceFilter):  # type: ignore[misc] # untyped base
    """One of a few words, which the refusal of another one names."""

    choices: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        allowed = f"Allowed are: {', '.join(word for word, _ in self.choices)}."
        errors = {"invalid_choice": allowed}
        super().__init__(*args, choices=self.choices, error_messages=errors, **kwargs)


class SourceFilter(WordFilter):
    """Notifications by how they came."""

    choices = Notification.Sources.choices


def _of_classes(parameter: filters.Filter, queryset: QuerySet[Any], kinds: list[str]) -> QuerySet[Any]:
    values = parameter.parent.form.cleaned_data
    by_time = values["occurred_after"] or values["occurred_before"]
    return bounces.of_classes(queryset, kinds, by_status=not by_time)


class BounceClassFilter(WordFilter):
    """One of our classes of bounce codes; of mails, those whose winning bounce is of the class."""

    choices = BounceClass.choices

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return _of_classes(self, queryset, [value]) if value else queryset


class BounceClassesFilter(TextFilter):
    """One of several classes, with commas between them."""

    def __init__(self, **kwargs: Any) -> None:
        allowed = "|".join(BounceClass.values)
        message = f"Allowed are, with commas between them: {', '.join(BounceClass.values)}."
        super().__init__(validators=[RegexValidator(rf"^({allowed})(,({allowed}))*\Z", message)], **kwargs)

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return _of_classes(self, queryset, value.split(",")) if value else queryset


class ResolvedFilter(WordFilter):
    """Rejected events that were read again since, or those that were not."""

    choices = [("true", "true"), ("false", "false")]

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(resolved_at__isnull=value == "false") if value else queryset
