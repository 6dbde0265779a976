from __future__ import annotations

from django.apps import apps
from django.contrib import admin
from django.http import HttpResponse
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("cmc/webhook", include("cmc_webhooks.urls")),
    path("cmc/health", include("cmc_webhooks.health_urls")),
    path("favicon.ico", lambda request: HttpResponse(status=204)),  # a browser asks for it
]

if apps.is_installed("rest_framework"):
    urlpatterns.append(path("api/", include("cmc_webhooks.api.urls")))
