"""Admin of the trail of personal data: what was erased, disclosed or exported. Nobody edits it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from cmc_webhooks import audit
from cmc_webhooks.admin import base, filters, markup, search
from cmc_webhooks.models import Trail

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString


@admin.register(Trail)
class TrailAdmin(base.ReadOnlyAdmin):
    """Admin of the trail. It names nobody, but a search for an address finds what was done with its data."""

    list_display = ("done_on", "what", "via", "who", "number", "reason")
    list_filter = (filters.TrailFilter,)
    nothing = _("No records yet. Erasing, disclosing and exporting personal data is recorded here.")
    ordering = ("-id",)
    search_fields = ("address_hash",)
    search_help_text = _("Type the whole address.")
    fieldsets = (
        (None, {"fields": ("when", "what", "via", "who", "reason", "number")}),
        (_("Details"), {"fields": ("address_hash", "all_details"), "classes": ("collapse",)}),
    )

    done_on = base.when_of(Trail, "at")
    when = base.moment_of(Trail, "at")
    number = base.number_of(Trail, "rows")

    @admin.display(description=_("details"))
    def all_details(self, record: Trail) -> SafeString:
        return markup.json_text(record.details)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if search_term:
            hashes = [
                each for text in search.addresses_in(search_term) for each in audit.address_hashes(text)
            ]
            queryset = queryset.filter(address_hash__in=hashes)
        return queryset, False
