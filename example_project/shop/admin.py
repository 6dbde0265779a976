from __future__ import annotations

from django.contrib import admin

from example_project.shop.models import Order


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # not generic at run time
    list_display = ["number", "mail_status"]
    ordering = ["-number"]
