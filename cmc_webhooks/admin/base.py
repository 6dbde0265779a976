"""Shared base of all pages: read-only by default, and no URL from a browser scans a table or crashes."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin import widgets
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth import get_permission_codename
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied, SuspiciousOperation, ValidationError
from django.forms import Media
from django.http import Http404, HttpResponseBadRequest, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from cmc_webhooks import audit, auth
from cmc_webhooks.admin import export, markup, verdicts
from cmc_webhooks.admin.changelist import CappedPaginator, KeysetList, capped
from cmc_webhooks.db import transactions
from cmc_webhooks.models import Notification, Trail

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from uuid import UUID

    from django.contrib.admin.views.main import ChangeList
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase
    from django.utils.safestring import SafeString
    from django_stubs_ext import StrOrPromise

    from cmc_webhooks.admin.search import SearchResult
    from cmc_webhooks.downloads import Table

    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin


class Tool(NamedTuple):
    """A button above a list."""

    label: StrOrPromise
    url: str
    is_post: bool = False


class ReadOnlyAdmin(ModelAdmin):
    """Read-only admin. The view permission shows the history; no permission allows editing it."""

    actions: Any = None
    empty_value_display = mark_safe('<span class="cmc-empty">-</span>')
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    paginator = CappedPaginator
    sortable_by = ()
    nothing: ClassVar[StrOrPromise] = _("There is nothing here yet.")
    """What an empty list says: what would be in it."""
    list_defer: ClassVar[tuple[str, ...]] = ()
    """Columns that a list does not show and that may be long; they are not loaded."""

    @property
    def media(self) -> Media:
        """Return the files of the pages: Django's, without its script for actions, and the app's own.

        Themes have another script for actions, which fails on pages that are not theirs. `admin.js` replaces
        it.
        """
        smaller = "" if settings.DEBUG else ".min"
        scripts = (f"vendor/jquery/jquery{smaller}", "jquery.init", "core", "admin/RelatedObjectLookups")
        return Media(
            css={"all": [f"cmc_webhooks/{name}.css" for name in ("themes", "admin", "lists", "overview")]},
            js=[*(f"admin/js/{name}.js" for name in scripts), "cmc_webhooks/admin.js"],
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return True only for the view permission. Django also accepts change, which means nothing here."""
        codename = get_permission_codename("view", self.opts)
        return auth.may(request.user, f"{self.opts.app_label}.{codename}")

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return False for users whose model has no permissions, for whom Django raises AttributeError."""
        return hasattr(request.user, "has_module_perms") and super().has_module_permission(request)

    @transactions.non_atomic
    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list or run an action, outside ATOMIC_REQUESTS: actions commit their own writes."""
        context = {
            "title": capfirst(self.opts.verbose_name_plural),
            "tools": self.tools(request),
            **(extra_context or {}),
        }
        try:
            answer: HttpResponse = super().changelist_view(request, context)
        except ValidationError:  # the key of a selected row is not valid
            raise SuspiciousOperation("no key of a row") from None
        if isinstance(answer, TemplateResponse) and answer.context_data is not None:
            answer.context_data["meaning"] = meaning = getattr(request, "cmc_meaning", None)
            if meaning is not None:
                answer.context_data["ways_on"] = list(self.ways_on(meaning, answer.context_data["cl"]))
            answer.context_data["statement"] = self.statement(request)
            answer.context_data["zone"] = timezone.get_current_timezone_name()
        return answer

    def get_action_choices(
        self, request: HttpRequest, default_choices: Any = None, action_location: Any = None
    ) -> list[Any]:
        """Return the choices after a translated prompt. That of Django 6.1 is English in every language."""
        where = {} if action_location is None else {"action_location": action_location}  # from 6.1 on
        return super().get_action_choices(request, [("", gettext("Choose an action"))], **where)

    def tools(self, request: HttpRequest) -> list[Tool]:
        """Return the buttons above the list."""
        return []

    def prepare(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Add what the columns show besides to the rows of a page of the list."""

    def searched_address(self, request: HttpRequest) -> str:
        """Return the address that the search box holds; "" if it holds none."""
        return getattr(getattr(request, "cmc_meaning", None), "address", "")

    def statement(self, request: HttpRequest) -> verdicts.Statement | None:
        """Return what is known about sending to the address that is searched for."""
        address = self.searched_address(request)
        if not verdicts.is_address(address):
            return None
        offered = verdicts.AddressLinks(self.admin_site, request)
        return offered.statement(address, *verdicts.ask(address)) if offered.is_open() else None

    def ways_on(self, meaning: SearchResult, changelist: KeysetList) -> Iterator[Tool]:
        """Yield links to what a search did not show: the same without the filters, and earlier subjects."""
        if changelist.is_stopped:
            if meaning.fewer is not None:
                first, last = map(str, meaning.fewer)
                days = first if first == last else _("%(first)s to %(last)s") % {"first": first, "last": last}
                yield Tool(_("Search %(days)s only") % {"days": days}, changelist.url_of_days(meaning.fewer))
            return
        filtered_by = changelist.get_filters_params().keys()
        # The limit of a foreign key, in a popup, is no filter that a person chose.
        is_hiding = changelist.has_active_filters and filtered_by <= self.filter_parameters()
        if meaning.is_found and not changelist.result_count and is_hiding:
            everything = changelist.get_query_string(remove=list(filtered_by))
            number = changelist.in_time(lambda: capped(self.matching(meaning)))
            if number not in (None, "0"):
                label = _("None with this filter; %(number)s without it.") % {"number": number}
                yield Tool(label, everything)
        if meaning.earlier is not None:
            yield Tool(_("The 31 days before"), changelist.url_of_days(meaning.earlier))

    def matching(self, meaning: SearchResult) -> QuerySet[Any]:
        """Return the rows that a search means, without any filter."""
        return meaning.mails

    def within_reach(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> tuple[QuerySet[Any], StrOrPromise | None]:
        """Return the rows that a page may read, and a notice about the others."""
        return queryset, None

    def total(self, request: HttpRequest, changelist: KeysetList) -> str | None:
        """Return the number of rows of the whole list as text; None if counting them is expensive."""
        return capped(changelist.queryset) if changelist.query else None

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return KeysetList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Return True only for the filters beside the list, and for the limits of a project's foreign keys.

        Django would also allow `?reason__contains=`. A popup in which a row is picked has the limit of the
        foreign key, `limit_choices_to`, in its URL.
        """
        return lookup in self.filter_parameters() or any(
            (lookup, value)
            in widgets.url_params_from_lookup_dict(limit() if callable(limit) else limit).items()
            for limit in self.opts.related_fkey_lookups
        )

    def filter_parameters(self) -> set[str]:
        """Return the names of the parameters of the filters beside the list."""
        filters: Iterable[Any] = self.list_filter
        return {
            name for each in filters for name in (each.parameter_name, *getattr(each, "range_parameters", ()))
        }


class ExportingAdmin(ReadOnlyAdmin):
    """Admin with a list whose filtered rows can be exported as a file, which needs a separate permission."""

    exported: ClassVar[tuple[str, ...]] = (export.ROWS,)
    """What a file of the list can hold."""

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        view = self.admin_site.admin_view(require_POST(self.export_view))
        return [
            path("export/", view, name=name),
            path("export/<slug:contents>.<slug:extension>", view, name=f"{name}_file"),
            *super().get_urls(),
        ]

    def has_export_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and auth.may(request.user, "cmc_webhooks.export_csv")

    def may_view_mails(self, request: HttpRequest) -> bool:
        """Return whether the user may see mails, and not only which mail an event is about."""
        return auth.may(request.user, "cmc_webhooks.view_mail")

    def tools(self, request: HttpRequest) -> list[Tool]:
        if not self.has_export_permission(request):
            return []
        query = request.GET.urlencode()
        tools = []
        for choice in itertools.product(self.exported, export.formats()):
            url = self._export_url(*choice)
            tools.append(Tool(export.LABELS[choice], f"{url}?{query}" if query else url, is_post=True))
        return tools

    def _export_url(self, contents: str, extension: str) -> str:
        view = f"admin:{self.opts.app_label}_{self.opts.model_name}_export"
        if (contents, extension) == (export.ROWS, export.CSV):
            return reverse(view, current_app=self.admin_site.name)
        return reverse(f"{view}_file", args=[contents, extension], current_app=self.admin_site.name)

    def export_view(
        self, request: HttpRequest, contents: str = export.ROWS, extension: str = export.CSV
    ) -> HttpResponseBase:
        """Return the rows of the list with these filters, all pages, as a file."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        if contents not in self.exported or extension not in export.formats():
            raise Http404
        try:
            changelist: Any = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return HttpResponseBadRequest("no such filter", content_type="text/plain")
        try:
            table = self._exported_table(request, changelist, contents, extension)
        except export.TooManyRows as refusal:
            self.message_user(request, str(refusal), messages.WARNING)
            view = f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
            url = reverse(view, current_app=self.admin_site.name)
            return HttpResponseRedirect(f"{url}?{request.GET.urlencode()}")
        LogEntry.objects.create(
            user_id=str(request.user.pk),
            content_type=ContentType.objects.get_for_model(self.model),
            object_repr=str(self.opts.verbose_name_plural)[:200],
            action_flag=CHANGE,
            change_message=export.note(contents, extension, request.GET),
        )
        record = audit.begin(
            Trail.Actions.EXPORTED,
            audit.Actor(Trail.Ways.ADMIN, audit.user_key(request.user)),
            list=str(self.opts.model_name),
            filters=sorted(request.GET),
            format=extension,
        )
        name = export.file_name(partial(export.parts_of_name, request, changelist, contents), extension)
        return export.response(request, table, name, extension, record)

    def _exported_table(
        self, request: HttpRequest, changelist: KeysetList, contents: str, extension: str
    ) -> Table:
        if contents == export.ADDRESSES:
            has_verdicts = verdicts.AddressLinks(self.admin_site, request).is_open()
            return export.addresses_table(request, changelist, has_verdicts=has_verdicts)
        if extension == export.XLSX:
            export.check_size(changelist)
        return export.rows_table(request, changelist, has_mail=self.may_view_mails(request))


def moment_of(model: type[Model], name: str) -> Any:
    """Return a column for lists and pages that shows a time of each row, with its seconds."""

    field: Any = model._meta.get_field(name)

    @admin.display(description=field.verbose_name)
    def column(self: ReadOnlyAdmin, row: Any) -> StrOrPromise:
        return markup.moment(getattr(row, name)) or self.get_empty_value_display()

    return column


def when_of(model: type[Model], name: str) -> Any:
    """Return a column for lists that shows a time of each row, as people write it."""
    field: Any = model._meta.get_field(name)

    @admin.display(description=field.verbose_name)
    def column(self: ReadOnlyAdmin, row: Any) -> StrOrPromise:
        return markup.when(getattr(row, name)) or self.get_empty_value_display()

    return column


def number_of(model: type[Model], name: str) -> Any:
    """Return a column for lists and pages that shows a number of each row."""
    field: Any = model._meta.get_field(name)

    @admin.display(description=field.verbose_name)
    def column(self: ReadOnlyAdmin, row: Any) -> SafeString:
        return markup.headed(field.verbose_name, getattr(row, name))

    return column


def kept_notifications(events: Iterable[Any], using: str | None) -> set[UUID]:
    """Return the keys of the events' notifications that still exist; one query, however many were deleted."""
    keys = {event.notification_id for event in events}
    kept = Notification._default_manager.using(using).filter(pk__in=keys)
    return set(kept.values_list("pk", flat=True))
