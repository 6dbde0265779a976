"""The webhook alone."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("cmc/webhook", include("cmc_webhooks.urls"))]
