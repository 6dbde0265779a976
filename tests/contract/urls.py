from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("cmc/webhook", include("cmc_webhooks.urls")),
    path("api/mail/", include("cmc_webhooks.api.urls")),
]
