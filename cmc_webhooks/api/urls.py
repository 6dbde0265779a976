from __future__ import annotations

app_name = "cmc_webhooks_api"
urlpatterns: list[object] = []
