"""The webhook's address. Mount it without a slash at the end; both spellings then work:

path("cmc/webhook", include("cmc_webhooks.urls"))
"""

from __future__ import annotations

from django.urls import re_path

from cmc_webhooks import views

app_name = "cmc_webhooks"

urlpatterns = [re_path(r"^(?:/)?$", views.webhook, name="webhook")]
