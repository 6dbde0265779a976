"""What all pages share: nothing can be changed, and no address a browser sends scans a table or crashes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth import get_permission_codename
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied, SuspiciousOperation, ValidationError
from django.http import HttpResponseBadRequest
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.safestring import mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from cmc_webhooks import durable
from cmc_webhooks.admin import export, lists, markup
from cmc_webhooks.models import Notification

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from django.contrib.admin.views.main import ChangeList
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase
    from django.utils.safestring import SafeString
    from django_stubs_ext import StrOrPromise

    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin


class Tool(NamedTuple):
    """A button above a list."""

    label: StrOrPromise
    url: str
    is_post: bool = False


class ReadOnlyAdmin(ModelAdmin):
    """History is not edited, by nobody: who has the view permission sees it, and that is all there is."""

    actions: Any = None
    empty_value_display = mark_safe('<span class="cmc-empty">-</span>')
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    sortable_by = ()
    list_defer: ClassVar[tuple[str, ...]] = ()
    """Columns that a list does not show and that may be long."""

    class Media:
        css: ClassVar[dict[str, tuple[str, ...]]] = {
            "all": ("cmc_webhooks/admin.css", "cmc_webhooks/lists.css", "cmc_webhooks/overview.css")
        }
        js: ClassVar[tuple[str, ...]] = ("cmc_webhooks/admin.js",)

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
        context = {"tools": self.tools(request), **(extra_context or {})}
        try:
            answer: HttpResponse = super().changelist_view(request, context)
        except ValidationError:  # a chosen row's key is none
            raise SuspiciousOperation("no key of a row") from None
        if isinstance(answer, TemplateResponse) and answer.context_data is not None:
            answer.context_data["meaning"] = getattr(request, "cmc_meaning", None)
        return answer

    def get_action_choices(
        self, request: HttpRequest, default_choices: Any = None, action_location: Any = None
    ) -> list[Any]:
        """Begins with words that are translated: those of Django 6.1 are in English in any language."""
        where = {} if action_location is None else {"action_location": action_location}  # from 6.1 on
        return super().get_action_choices(request, [("", gettext("Choose an action"))], **where)

    def tools(self, request: HttpRequest) -> list[Tool]:
        """The buttons above the list."""
        return []

    def within_reach(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> tuple[QuerySet[Any], StrOrPromise | None]:
        """The rows that a page may look through, and what to say of the others."""
        return queryset, None

    def total(self, request: HttpRequest, changelist: lists.KeysetList) -> str | None:
        """How many rows the list has in all, for people; None where that is not known cheaply."""
        return lists.capped(changelist.queryset) if changelist.query else None

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return lists.KeysetList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """The filters beside the list and nothing else: Django would allow `?reason__contains=`."""
        filters: Iterable[Any] = self.list_filter
        return any(
            lookup in (getattr(each, "parameter_name", None), *getattr(each, "range_parameters", ()))
            for each in filters
        )


class ExportingAdmin(ReadOnlyAdmin):
    """Lists whose filtered rows can be had as CSV, with a permission of its own."""

    def get_urls(self) -> list[Any]:
        info = self.opts.app_label, self.opts.model_name
        view = self.admin_site.admin_view(require_POST(self.export_view))
        return [path("export/", view, name="{}_{}_export".format(*info)), *super().get_urls()]

    def has_export_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and request.user.has_perm("cmc_webhooks.export_csv")

    def tools(self, request: HttpRequest) -> list[Tool]:
        if not self.has_export_permission(request):
            return []
        view = f"admin:{self.opts.app_label}_{self.opts.model_name}_export"
        url = reverse(view, current_app=self.admin_site.name)
        query = request.GET.urlencode()
        return [Tool(_("Export as CSV"), f"{url}?{query}" if query else url, is_post=True)]

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Stream what the list with these filters holds, all pages of it."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        try:
            changelist: Any = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return HttpResponseBadRequest("no such filter", content_type="text/plain")
        filters = ", ".join(sorted(request.GET)) or "-"
        content_type = ContentType.objects.get_for_model(self.model)
        LogEntry.objects.create(
            user_id=str(request.user.pk),
            content_type=content_type,
            object_repr=str(self.opts.verbose_name_plural)[:200],
            action_flag=CHANGE,
            change_message=gettext("Exported as CSV, filtered by: %s") % filters,
        )
        read = partial(changelist.read, request, export.ROWS_AT_ONCE)
        return export.response(request, self.model, read, str(self.opts.model_name))


def moment_of(model: type[Model], name: str) -> Any:
    """For a list and for a page: a time of each row, with its seconds."""

    field: Any = model._meta.get_field(name)

    @admin.display(description=field.verbose_name)
    def column(self: ReadOnlyAdmin, row: Any) -> StrOrPromise:
        return markup.moment(getattr(row, name)) or self.get_empty_value_display()

    return column


def number_of(model: type[Model], name: str) -> Any:
    """For a list and for a page: a number of each row."""
    field: Any = model._meta.get_field(name)

    @admin.display(description=field.verbose_name)
    def column(self: ReadOnlyAdmin, row: Any) -> SafeString:
        return markup.headed(field.verbose_name, getattr(row, name))

    return column


def kept_notifications(events: Iterable[Any], using: str | None) -> set[UUID]:
    """Those notifications of the events that are still there; one statement, whatever was pruned."""
    keys = {event.notification_id for event in events}
    kept = Notification._default_manager.using(using).filter(pk__in=keys)
    return set(kept.values_list("pk", flat=True))
