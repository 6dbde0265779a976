"""The URLs of the health view and, below it, of the metrics. Mount them without a trailing slash:

path("cmc/health", include("cmc_webhooks.health_urls"))
"""

from __future__ import annotations

from django.urls import re_path

from cmc_webhooks.monitoring import views

app_name = "cmc_webhooks_health"

urlpatterns = [
    re_path(r"^(?:/)?$", views.health, name="health"),
    re_path(r"^[/]metrics/?$", views.metrics, name="metrics"),
]
