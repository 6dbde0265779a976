"""What people decide about addresses: the one page on which something is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from cmc_webhooks import store, suppression, wire
from cmc_webhooks.admin import base, markup
from cmc_webhooks.models import Suppression

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString
    from django_stubs_ext import StrOrPromise


class SuppressionForm(forms.ModelForm):  # type: ignore[type-arg] # no subscript at run time
    """An address is taken in any spelling; who writes it again decides anew about it."""

    class Meta:
        model = Suppression
        fields = ("address", "kind", "until", "note")

    def clean_address(self) -> str:
        address = wire.normalise_address(self.cleaned_data["address"])
        if "@" not in address.strip("@"):
            raise ValidationError(_("This is no address."))
        return address


@admin.register(Suppression)
class SuppressionAdmin(base.ReadOnlyAdmin):
    """Blocked and released addresses. Deleting one takes the decision back: then its mails alone count."""

    form = SuppressionForm
    radio_fields = {"kind": admin.VERTICAL}
    list_display = ("to", "decision", "ends", "note", "decided")
    list_display_links = ("to",)
    ordering = ("-decided_at", "-id")
    search_fields = ("address",)
    search_help_text = _("An address in any spelling")
    readonly_fields = ("decided", "forgiven")

    decided = base.moment_of(Suppression, "decided_at")
    forgiven = base.moment_of(Suppression, "forgiven_until")

    has_view_permission = admin.ModelAdmin.has_view_permission
    has_add_permission = admin.ModelAdmin.has_add_permission
    has_delete_permission = admin.ModelAdmin.has_delete_permission

    def tools(self, request: HttpRequest) -> list[base.Tool]:
        if not self.has_add_permission(request):
            return []
        url = reverse("admin:cmc_webhooks_suppression_add", current_app=self.admin_site.name)
        return [base.Tool(_("Decide about an address"), url)]

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """What was decided about an address that was erased, or cut to its column, can only be taken back."""
        is_whole = not isinstance(obj, Suppression) or obj.pk == wire.address_key(obj.address)
        return is_whole and admin.ModelAdmin.has_change_permission(self, request, obj)

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        fields = ["address", "kind", "until", "note"]
        return [(None, {"fields": fields if obj is None else [*fields, "decided", "forgiven"]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return self.readonly_fields if obj is None else ("address", *self.readonly_fields)

    @admin.display(description=_("address"))
    def to(self, decision: Suppression) -> StrOrPromise:
        return markup.short(decision.address) or _("(erased)")

    @admin.display(description=_("decision"))
    def decision(self, decision: Suppression) -> SafeString:
        mark = "bad" if decision.kind == Suppression.Kinds.BLOCKED else "good"
        return markup.mark(mark, decision.get_kind_display())

    @admin.display(description=_("until"))
    def ends(self, decision: Suppression) -> StrOrPromise:
        end = markup.moment(decision.until)
        return markup.headed(_("until"), end) if end else self.get_empty_value_display()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        key = wire.address_key(wire.normalise_address(search_term))
        return (queryset.filter(pk=key) if search_term else queryset), False

    def save_model(self, request: HttpRequest, obj: Suppression, form: Any, change: bool) -> None:
        """As the functions do that programs call."""
        if obj.kind == Suppression.Kinds.BLOCKED:
            decided = suppression.block(obj.address, until=obj.until, note=obj.note)
        else:
            decided = suppression.release(obj.address, note=obj.note)
        obj.pk, obj.decided_at = decided.pk, decided.decided_at

    def delete_model(self, request: HttpRequest, obj: Suppression) -> None:
        store.forget_decision(store.alias(), obj.pk)
