"""What each answer of the API costs on a history of `benchmarks.history`: `python -m benchmarks.api`.

Every list without a filter and with each one, alone, with a week and with 30 days by either clock that end 40
days ago, the latest first and the oldest first, as pages of 100 rows; then details, addresses and statistics.
The columns are those of `benchmarks.pages`. Behind the table: how the milliseconds of SQL are spread, and the
milliseconds of CPU that the rows of a page cost apart from SQL.
"""

from __future__ import annotations

import statistics as numbers
import time
from datetime import timedelta

from benchmarks import pages  # sets Django up

# isort: split
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from cmc_webhooks import models
from cmc_webhooks.api import serializers, views

TARGET = 10
"""Milliseconds of SQL that a page may cost."""
LISTS = {
    "mail": views.MailViewSet,
    "delivery-event": views.DeliveryEventViewSet,
    "bounce-event": views.BounceEventViewSet,
    "notification": views.NotificationViewSet,
}
RARE = {"deferred": "status", "domain1500.example.jp": "domain", "unknown": "bounce_class", "rest": "source"}
"""Values of less than a row in a hundred."""


def filters(mail):
    """A value or two of each filter, by its name."""
    return {
        "recipient": [mail.address],
        "message_id": [mail.message_id],
        "api_data": ["order-300000"],
        "domain": ["domain0.example.jp", "domain1500.example.jp"],
        "sender": ["info@shop.example.jp"],
        "server_composition": ["sandbox"],
        "server_composition__in": ["sandbox,pro"],
        "status": ["succeeded", "failed", "deferred"],
        "status__in": ["failed,deferred"],
        "bounce_code": ["2"],
        "bounce_code__in": ["2,5"],
        "bounce_class": ["soft", "unknown"],
        "bounce_class__in": ["hard,soft"],
        "source": ["webhook", "rest"],
        "event_type": ["deliveries"],
    }


def ranges(names):
    """Ranges of time by what they are called, as query strings."""
    last = (timezone.now() - timedelta(days=40)).date()
    yield "", ""
    for clock in ("occurred", "received"):
        for days in (7, 30) if f"{clock}_after" in names else ():
            first = last - timedelta(days=days - 1)
            yield f", {clock} in {days} days", f"&{clock}_after={first}&{clock}_before={last}"


def lists(mail):
    """Name and address of each page of a list that is measured."""
    for name, view in LISTS.items():
        url = reverse(f"cmc_webhooks_api:{name}-list") + "?page_size=100"
        known = view.filterset_class.base_filters
        asked = [("", ""), *((each, value) for each, values in filters(mail).items() for value in values)]
        for filtered, value in asked:
            if not filtered or filtered in known:
                for label, bounds in ranges(known):
                    query = f"&{filtered}={value}{bounds}" if filtered else bounds
                    what = f"{name}, {filtered} {value}{label}" if filtered else f"{name}{label}"
                    yield what, url + query
                    yield f"{what}, oldest first", f"{url}{query}&ordering={_order(view, bounds)}"


def _order(view, bounds):
    """The word that the API orders by with these bounds."""
    orders = view.pagination_class.orders
    return next((word for word, order in orders.items() if f"&{order.time}_" in bounds), next(iter(orders)))


def others(mail):
    """Name and address of each other answer that is measured."""
    stats = reverse("cmc_webhooks_api:stats")
    return {
        "a mail with its time line": reverse("cmc_webhooks_api:mail-detail", args=[mail.pk]),
        "an address": reverse("cmc_webhooks_api:address-detail", args=[mail.address]),
        "statistics, 30 days": stats,
        "statistics by domain, 30 days": stats + "?by=domain",
        "statistics by day and domain, 30 days": stats + "?by=day,domain",
    }


def cost_of_rows(serializer, rows):
    """Milliseconds of CPU for these rows as JSON values; the least of nine rounds."""
    spent = []
    for _ in range(pages.ROUNDS):
        began = time.process_time()
        list(serializer(rows, many=True).data)
        spent.append(1000 * (time.process_time() - began))
    return min(spent)


def spread(costs):
    """How many of these pages keep to the target, apart from those of rare values."""
    rare = {name for name in costs if any(f"{key} {value}" in name for value, key in RARE.items())}
    for what, chosen in (("rare values", rare), ("all others", costs.keys() - rare)):
        spent = [costs[name] for name in chosen]
        above = sum(each > TARGET for each in spent)
        print(
            f"{what}: {len(spent)} pages, median {numbers.median(spent):.1f} ms,"
            f" {above} above {TARGET} ms, {max(spent):.0f} ms the most"
        )


def main() -> None:
    user, _ = User.objects.get_or_create(username="benchmark", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)
    mail = models.Mail.objects.filter(status="bounced").order_by("-created_at")[1000]
    costs = pages.table(client, dict(lists(mail)))
    pages.table(client, others(mail))
    spread(costs)
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
