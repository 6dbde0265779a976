from __future__ import annotations

from django.contrib import admin

from cmc_webhooks.admin.panel import MailHistoryMixin
from example_project.shop.models import Order


@admin.register(Order)
class OrderAdmin(MailHistoryMixin, admin.ModelAdmin):  # type: ignore[type-arg] # not generic at run time
    list_display = ["number", "mail_status"]
    ordering = ["-number"]
