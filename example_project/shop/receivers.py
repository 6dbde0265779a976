"""Two receivers worth copying. Each does its work once however often it is called, and in any order."""

from __future__ import annotations

import logging
from typing import Any

from django.dispatch import receiver

from cmc_webhooks.models import Mail
from cmc_webhooks.signals import event_recorded, status_changed
from example_project.shop.models import Order

logger = logging.getLogger(__name__)


@receiver(status_changed, sender=Mail)
def note_mail_status(mail: Mail, new: str, version: int, **kwargs: Any) -> None:
    """Tell the order what became of its mail.

    A retry may come late: `version` keeps an older change from overwriting a newer one.
    """
    if mail.api_data:
        Order.objects.filter(number=mail.api_data, mail_version__lt=version).update(
            mail_status=new, mail_version=version
        )


@receiver(event_recorded)
def log_event(sender: type, event: Any, mail: Mail | None, **kwargs: Any) -> None:
    """One line for each event, without the address of anybody."""
    logger.info("%s: %s", sender.__name__, event)
