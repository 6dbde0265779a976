"""The API alone, under the address that the committed schema shows."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("api/mail/", include("cmc_webhooks.api.urls"))]
