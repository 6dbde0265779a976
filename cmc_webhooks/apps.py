from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CmcWebhooksConfig(AppConfig):
    name = "cmc_webhooks"
    verbose_name = _("Customers Mail Cloud")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from cmc_webhooks import checks

        checks.register()
