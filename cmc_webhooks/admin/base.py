"""What all pages share: nothing can be changed, and no address a browser sends scans a table or crashes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_permission_codename
from django.core.exceptions import SuspiciousOperation, ValidationError

from cmc_webhooks import durable
from cmc_webhooks.admin import markup
from cmc_webhooks.models import Notification

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, HttpResponse
    from django_stubs_ext import StrOrPromise

    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin


class NewestFirst(ChangeList):
    """A list in the order its admin gives, whatever a browser asks for: others would sort the whole table."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return list(self.model_admin.get_ordering(request))

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[Any]:
        return super().get_queryset(request, exclude_parameters).defer(*self._deferred())

    def _deferred(self) -> tuple[str, ...]:
        admin: Any = self.model_admin
        deferred: tuple[str, ...] = admin.list_defer
        return deferred


class ReadOnlyAdmin(ModelAdmin):
    """History is not edited, by nobody: who has the view permission sees it, and that is all there is."""

    actions: Any = None
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    sortable_by = ()
    list_defer: ClassVar[tuple[str, ...]] = ()
    """Columns that a list does not show and that may be long."""

    class Media:
        css: ClassVar[dict[str, tuple[str, ...]]] = {"all": ("cmc_webhooks/admin.css",)}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Django also lets those in who may change, which means nothing here."""
        codename = get_permission_codename("view", self.opts)
        return request.user.has_perm(f"{self.opts.app_label}.{codename}")

    @durable.outside_requests
    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Actions commit what they store themselves."""
        try:
            return super().changelist_view(request, extra_context)
        except ValidationError:  # a chosen row's key is none
            raise SuspiciousOperation("no key of a row") from None

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return NewestFirst

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """The filters beside the list and nothing else: Django would allow `?reason__contains=`."""
        filters: Iterable[Any] = self.list_filter
        return any(getattr(each, "parameter_name", None) == lookup for each in filters)


def moment_of(model: type[Model], name: str) -> Any:
    """For a list and for a page: a time of each row, with its seconds."""

    field: Any = model._meta.get_field(name)

    @admin.display(description=field.verbose_name)
    def column(self: ReadOnlyAdmin, row: Any) -> StrOrPromise:
        return markup.moment(getattr(row, name)) or self.get_empty_value_display()

    return column


def kept_notifications(events: Iterable[Any], using: str | None) -> set[UUID]:
    """Those notifications of the events that are still there; one statement, whatever was pruned."""
    keys = {event.notification_id for event in events}
    kept = Notification._default_manager.using(using).filter(pk__in=keys)
    return set(kept.values_list("pk", flat=True))
