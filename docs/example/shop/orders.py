# shop/orders.py
from cmc_webhooks.sending import api_data_header
from django.core.mail import EmailMessage


def send_confirmation(order):
    EmailMessage(
        subject=f"Your order {order.number}",
        body="Thank you for your order.",
        from_email="shop@example.com",
        to=[order.email],
        headers=api_data_header(order.number),
    ).send()
