# shop/receivers.py
from cmc_webhooks.models import Mail
from cmc_webhooks.signals import status_changed
from django.dispatch import receiver

from shop.models import Order


@receiver(status_changed, sender=Mail)
def mark_order(mail, new, **kwargs):
    if new == "bounced" and mail.bounce_class == "hard":
        Order.objects.filter(number=mail.api_data).update(mail_bounced=True)
