"""What each answer of the API costs on a history of `benchmarks.history`: `python -m benchmarks.api`.

The columns are those of `benchmarks.pages`; a list is a page of 100 rows. Behind the table: the milliseconds
of CPU that the rows of a page cost apart from SQL.
"""

from __future__ import annotations

import time
from datetime import timedelta

from benchmarks import pages  # sets Django up

# isort: split
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from cmc_webhooks import models
from cmc_webhooks.api import serializers


def addresses():
    """Name and address of each answer that is measured."""
    mail = models.Mail.objects.filter(status="bounced").order_by("-created_at")[1000]
    day = (timezone.now() - timedelta(days=40)).date()
    week = f"&occurred_after={day - timedelta(days=6)}&occurred_before={day}"
    lists = {
        name: reverse(f"cmc_webhooks_api:{name}-list") + "?page_size=100"
        for name in ("mail", "delivery-event", "bounce-event", "notification")
    }
    return {
        "mails": lists["mail"],
        "mails, oldest first": lists["mail"] + "&ordering=created_at",
        "mails, two statuses": lists["mail"] + "&status__in=failed,bounced",
        "mails, bounce class": lists["mail"] + "&bounce_class=soft",
        "mails, a week of receipt": lists["mail"] + week.replace("occurred", "received"),
        "mails, a week by CMC's clock": lists["mail"] + week,
        "mails, a domain": lists["mail"] + "&domain=domain1500.example.jp",
        "mails, a recipient": lists["mail"] + f"&recipient={mail.address}",
        "mails, a message": lists["mail"] + f"&message_id={mail.message_id}",
        "deliveries": lists["delivery-event"],
        "deliveries, oldest first": lists["delivery-event"] + "&ordering=occurred_at",
        "deliveries, failed": lists["delivery-event"] + "&status=failed",
        "deliveries, a week": lists["delivery-event"] + week,
        "deliveries, a week, oldest first": lists["delivery-event"] + week + "&ordering=occurred_at",
        "deliveries, a recipient": lists["delivery-event"] + f"&recipient={mail.address}",
        "deliveries, a sender, a week": lists["delivery-event"] + "&sender=info@shop.example.jp" + week,
        "bounces, a class": lists["bounce-event"] + "&bounce_class=hard",
        "notifications": lists["notification"],
        "a mail with its time line": reverse("cmc_webhooks_api:mail-detail", args=[mail.pk]),
        "an address": reverse("cmc_webhooks_api:address-detail", args=[mail.address]),
        "statistics, 30 days": reverse("cmc_webhooks_api:stats"),
        "statistics by domain, 30 days": reverse("cmc_webhooks_api:stats") + "?by=domain",
    }


def cost_of_rows(serializer, rows):
    """Milliseconds of CPU for these rows as JSON values; the least of nine rounds."""
    spent = []
    for _ in range(pages.ROUNDS):
        began = time.process_time()
        list(serializer(rows, many=True).data)
        spent.append(1000 * (time.process_time() - began))
    return min(spent)


def main() -> None:
    user, _ = User.objects.get_or_create(username="benchmark", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)
    pages.table(client, addresses())
    for name, serializer, rows in (
        ("mails", serializers.MailSerializer, models.Mail.objects.all()[:100]),
        (
            "deliveries",
            serializers.DeliveryEventSerializer,
            models.DeliveryEvent.objects.select_related("mail")[:100],
        ),
    ):
        print(f"100 {name} cost {cost_of_rows(serializer, list(rows)):.1f} ms of CPU")


if __name__ == "__main__":
    main()
