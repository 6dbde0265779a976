from __future__ import annotations

from importlib.util import find_spec

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("cmc/webhook", include("cmc_webhooks.urls")),
    path("cmc/health", include("cmc_webhooks.health_urls")),
    path("admin/", admin.site.urls),
]

if find_spec("rest_framework") and find_spec("django_filters"):
    urlpatterns.append(path("api/", include("cmc_webhooks.api.urls")))
