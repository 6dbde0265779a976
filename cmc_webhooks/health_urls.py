"""The addresses of the health view and, behind it, of the metrics. Mount them without a slash at the end:

path("cmc/health", include("cmc_webhooks.health_urls"))
"""

from __future__ import annotations

from django.urls import re_path

from cmc_webhooks import health_views

app_name = "cmc_webhooks_health"

urlpatterns = [
    re_path(r"^(?:/)?$", health_views.health, name="health"),
    re_path(r"^[/]metrics/?$", health_views.metrics, name="metrics"),
]
