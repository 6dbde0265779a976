"""The webhook's URL. Mount it without a trailing slash. It then works with and without one:

path("cmc/webhook", include("cmc_webhooks.urls"))
"""

from __future__ import annotations

from django.urls import re_path

from cmc_webhooks import views

app_name = "cmc_webhooks"

urlpatterns = [re_path(r"^(?:/)?$", views.webhook, name="webhook")]
