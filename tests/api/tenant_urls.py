"""The API below a part of the address that is the project's."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("<slug:tenant>/", include("cmc_webhooks.api.urls"))]
