"""The URLs of a project that has nothing but the webhook."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("cmc/webhook", include("cmc_webhooks.urls"))]
