"""Admin of decisions about addresses, with their pages: an address, and all suppressed addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from cmc_webhooks import audit, auth, suppression, wire
from cmc_webhooks.admin import (
    addresses,
    base,
    deciding,
    export,
    markup,
    search,
    suppressed,
    suppression_forms,
    verdicts,
)
from cmc_webhooks.db import transactions
from cmc_webhooks.models import Suppression, Trail, routing
from cmc_webhooks.models.suppressions import DECIDED
from cmc_webhooks.statistics import reports
from cmc_webhooks.suppression import decisions, form_rules

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase
    from django.utils.safestring import SafeString
    from django_stubs_ext import StrOrPromise


@admin.register(Suppression)
class SuppressionAdmin(base.ReadOnlyAdmin):
    """Admin of blocked and released addresses.

    Deleting a row withdraws the decision. Then only what CMC reported about the address counts.
    """

    form = suppression_forms.SuppressionForm
    radio_fields = {"kind": admin.VERTICAL}
    list_display = ("to", "decision", "scope", "ends", "remark", "decided_on")
    list_display_links = ("to",)
    nothing = _("Nobody blocked or released an address. What CMC reported is under Suppressed addresses.")
    ordering = ("-decided_at", "-id")
    search_fields = ("address",)
    search_help_text = _("E-mail address, with or without a name")
    readonly_fields = ("decided", "recorded_by", "forgiven")

    decided_on = base.when_of(Suppression, "decided_at")
    decided = base.moment_of(Suppression, "decided_at")
    began = base.moment_of(Suppression, "since")
    forgiven = base.moment_of(Suppression, "forgiven_until")

    def get_urls(self) -> list[Any]:
        views: dict[str, Any] = {
            "address": require_GET(self.address_view),
            suppressed.NAME: require_GET(self.suppressed_view),
            f"{suppressed.NAME}_export": require_POST(self.suppressed_export_view),
            verdicts.BLOCK: require_POST(self.block_view),
            verdicts.RELEASE: require_POST(self.release_view),
            verdicts.LIFT: require_POST(self.lift_view),
        }
        own = [
            path(
                f"{name.replace('_', '/')}/",
                self.admin_site.admin_view(view),
                name=f"cmc_webhooks_suppression_{name}",
            )
            for name, view in views.items()
        ]
        own.append(
            path(
                f"{suppressed.NAME}/export.<slug:extension>",
                self.admin_site.admin_view(views[f"{suppressed.NAME}_export"]),
                name=f"cmc_webhooks_suppression_{suppressed.NAME}_export_file",
            )
        )
        return [*own, *super().get_urls()]

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.may(request, "view") or self.may(request, "change")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "add")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return not _is_no_decision(obj) and self.may(request, "delete")

    def has_lift_permission(self, request: HttpRequest) -> bool:
        return auth.may(request.user, "cmc_webhooks.lift_suppression")

    def has_export_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and auth.may(request.user, "cmc_webhooks.export_csv")

    def may_decide(self, request: HttpRequest, *, replaces: bool) -> bool:
        """Return whether the user may store a decision, which replaces another one or does not."""
        return self.may(request, "change") or (not replaces and self.may(request, "add"))

    def tools(self, request: HttpRequest) -> list[base.Tool]:
        offered = verdicts.AddressLinks(self.admin_site, request)
        tools = [base.Tool(_("Suppressed addresses"), offered.url(suppressed.NAME))]
        if self.has_add_permission(request):
            tools.append(base.Tool(_("Block or release an address"), offered.url("add")))
        return tools

    def tools_of_list(self, request: HttpRequest, query: str) -> list[base.Tool]:
        """Return the buttons above the list of all suppressed addresses with these filters."""
        if not self.has_export_permission(request):
            return []
        name = f"{suppressed.NAME}_export"
        urls = {export.CSV: self._url(name)}
        urls |= {each: self._url(f"{name}_file", each) for each in export.formats() if each != export.CSV}
        return [
            base.Tool(export.LABELS[export.ROWS, each], f"{url}?{query}" if query else url, is_post=True)
            for each, url in urls.items()
        ]

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Deny changes if the address was erased or truncated to its column: only deletion is left."""
        is_whole = not isinstance(obj, Suppression) or obj.pk == decisions.key_of(
            obj.address, obj.server_composition
        )
        return is_whole and self.may(request, "change")

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "kind":
            kwargs["choices"] = [choice for choice in Suppression.Kinds.choices if choice[0] in DECIDED]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def may(self, request: HttpRequest, action: str) -> bool:
        """Return whether the user has the model's permission for an action, such as "change"."""
        codename = get_permission_codename(action, self.opts)
        return auth.may(request.user, f"{self.opts.app_label}.{codename}")

    def get_form(
        self, request: HttpRequest, obj: Any | None = None, change: bool = False, **kwargs: Any
    ) -> type[Any]:
        form = super().get_form(request, obj, change, **kwargs)
        user = {
            "may_change": self.may(request, "change"),
            "user_key": audit.user_key(request.user),
        }
        return type(form.__name__, (form,), user)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        fields = ("address", "server_composition", "kind")
        return {name: request.GET[name] for name in fields if name in request.GET}

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        fields = ["address", "server_composition" if obj is None else "whole_scope", "kind", "until", "note"]
        if obj is None or self.has_change_permission(request, obj):
            fields.append("seen")
        if _is_no_decision(obj):
            fields = ["address", "whole_scope", "kind", "why", "began", "until"]
        return [(None, {"fields": fields if obj is None else [*fields, *self.readonly_fields]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        fixed = ("address", "whole_scope")
        return self.readonly_fields if obj is None else (*fixed, "why", "began", *self.readonly_fields)

    @admin.display(description=_("address"))
    def to(self, decision: Suppression) -> StrOrPromise:
        return markup.short(decision.address) or _("(erased)")

    @admin.display(description=_("type"))
    def decision(self, decision: Suppression) -> SafeString:
        return addresses.decision_mark(decision)

    @admin.display(description=_("server composition"))
    def scope(self, decision: Suppression) -> StrOrPromise:
        name = markup.short(decision.server_composition)
        return markup.headed(_("server composition"), name) if name else self.get_empty_value_display()

    @admin.display(description=_("server composition"))
    def whole_scope(self, decision: Suppression) -> StrOrPromise:
        return decision.server_composition or _("all")

    @admin.display(description=_("until"))
    def ends(self, decision: Suppression) -> StrOrPromise:
        end = markup.when(decision.until)
        return markup.headed(_("until"), end) if end else self.get_empty_value_display()

    @admin.display(description=_("note"))
    def remark(self, decision: Suppression) -> StrOrPromise:
        return markup.short(addresses.remark(decision)) or self.get_empty_value_display()

    @admin.display(description=_("reason"))
    def why(self, decision: Suppression) -> StrOrPromise:
        return decision.get_reason_display()

    @admin.display(description=_("recorded by"))
    def recorded_by(self, decision: Suppression) -> StrOrPromise:
        author = decision.author
        return addresses.user_names([author]).get(author, author) or self.get_empty_value_display()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the decisions as they were last written: a copy that lags would lack one just saved."""
        return super().get_queryset(request).using(routing.write_alias())

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        keys = [wire.address_key(wire.canonical_mailbox(each)) for each in search.addresses_in(search_term)]
        return (queryset.filter(address_key__in=keys) if search_term else queryset), False

    def searched_address(self, request: HttpRequest) -> str:
        return search.address_in(request.GET.get("q", ""))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show what holds for the address now, as far as it is known."""
        decision, form = context.get("original"), context["adminform"].form
        if isinstance(decision, Suppression):
            address = decision.address
            if self.has_change_permission(request, decision):
                form.initial["seen"] = suppression_forms.seen_token(decision)
        else:
            address = form["address"].value() or ""
        own: dict[str, Any] = {"compositions": reports.compositions(routing.write_alias())}
        if verdicts.is_address(address):
            statement = verdicts.AddressLinks(self.admin_site, request).statement(
                address, *verdicts.ask(address)
            )
            own["statement"] = statement._replace(buttons=[])
        return super().render_change_form(request, context | own, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Suppression, form: Any, change: bool) -> None:
        """Store the decision through `block` or `release`, as programs do."""
        by = {"composition": obj.server_composition, "note": obj.note, **self.by(request)}
        if obj.kind == Suppression.Kinds.BLOCKED:
            decided = suppression.block(obj.address, until=obj.until, **by)
        else:
            decided = suppression.release(obj.address, **by)
        obj.pk, obj.decided_at, obj.at_cmc = decided.pk, decided.decided_at, decided.at_cmc

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Return what the admin's log keeps: the decision before, without address and note."""
        if form.replaced is not None:
            return gettext("Before: %s") % suppression_forms.short_description(form.replaced)
        return super().construct_change_message(request, form, formsets, add)

    def response_add(
        self, request: HttpRequest, obj: Suppression, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self.answer_saved(request, obj)

    def response_change(self, request: HttpRequest, obj: Suppression) -> HttpResponse:
        return self.answer_saved(request, obj)

    def answer_saved(self, request: HttpRequest, decision: Suppression) -> HttpResponse:
        """Say what was stored and what still holds, and lead to the page of the address."""
        first, *rest = form_rules.recorded(decision).splitlines()
        self.say(request, first, messages.SUCCESS)
        for text in rest:
            self.say(request, text, messages.WARNING)
        if decision.kind == Suppression.Kinds.RELEASED:
            explained, _held = verdicts.ask(decision.address)
            for sentence in verdicts.sentences(explained.reasons) if explained.reasons else ():
                self.say(request, sentence.text, messages.WARNING)
        if "_addanother" in request.POST:
            return HttpResponseRedirect(self._url("add"))
        if "_continue" in request.POST:
            return HttpResponseRedirect(self._url("change", decision.pk))
        return self.leave(request, decision.address)

    def say(self, request: HttpRequest, text: str, level: int) -> None:
        """Show a message as it is: the admin begins a plain one with a capital, also an address."""
        self.message_user(request, format_html("<span>{}</span>", text), level)

    def leave(self, request: HttpRequest, address: str) -> HttpResponse:
        """Lead to the page of an address, or to another one that the user may open."""
        offered = verdicts.AddressLinks(self.admin_site, request)
        index = reverse("admin:index", current_app=self.admin_site.name)
        return HttpResponseRedirect(offered.page(address) or offered.mails(address) or index)

    def _url(self, name: str, *keys: Any) -> str:
        view = f"admin:cmc_webhooks_suppression_{name}"
        return reverse(view, args=keys, current_app=self.admin_site.name)

    def address_view(self, request: HttpRequest) -> HttpResponse:
        """Show the page of an address."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return addresses.view(self, request)

    def suppressed_view(self, request: HttpRequest) -> HttpResponse:
        """Show the list of all addresses that may not be sent to."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return suppressed.view(self, request)

    @transactions.non_atomic
    def suppressed_export_view(self, request: HttpRequest, extension: str = export.CSV) -> HttpResponseBase:
        """Export that list as a file."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        if extension not in export.formats():
            raise Http404
        return suppressed.export_view(self, request, extension)

    @transactions.non_atomic
    def block_view(self, request: HttpRequest) -> HttpResponse:
        """Ask whether to block an address; when that is confirmed, block it."""
        return deciding.decide(self, request, verdicts.BLOCK)

    @transactions.non_atomic
    def release_view(self, request: HttpRequest) -> HttpResponse:
        """Ask whether to release an address; when that is confirmed, release it."""
        return deciding.decide(self, request, verdicts.RELEASE)

    @transactions.non_atomic
    def lift_view(self, request: HttpRequest) -> HttpResponse:
        """Ask whether to remove an address from CMC's own lists; when that is confirmed, ask CMC to do so."""
        if not self.has_lift_permission(request):
            raise PermissionDenied
        return deciding.lift(self, request)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Ask with the address, which the text of a decision leaves out: the admin's log keeps that text."""
        decision = self.get_object(request, unquote(object_id))
        if isinstance(decision, Suppression) and decision.address:
            title = gettext("Withdraw the decision about %(address)s?") % {"address": decision.address}
            extra_context = {"title": title, **(extra_context or {})}
        return super().delete_view(request, object_id, extra_context)

    def delete_model(self, request: HttpRequest, obj: Suppression) -> None:
        decisions.forget_row(obj, **self.by(request))

    def by(self, request: HttpRequest) -> dict[str, str]:
        """Return who decides, for the functions of `suppression`."""
        return {"author": audit.user_key(request.user), "via": Trail.Ways.ADMIN.value}


def _is_no_decision(row: Model | None) -> bool:
    """Return whether a row is not a person's decision, but what was kept or lifted."""
    return isinstance(row, Suppression) and row.kind not in DECIDED
