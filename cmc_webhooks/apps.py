from __future__ import annotations

from importlib.util import find_spec

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CmcWebhooksConfig(AppConfig):
    name = "cmc_webhooks"
    verbose_name = _("Customers Mail Cloud")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from cmc_webhooks import checks

        checks.register()
        if find_spec("prometheus_client"):
            from cmc_webhooks.monitoring import metrics  # noqa: F401 - registers with the client
