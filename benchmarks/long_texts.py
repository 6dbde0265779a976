"""What lists cost with texts of 1 MB: `python -m benchmarks.long_texts`.

On the empty database that DATABASE_URL names; its rows are rolled back. Each list of admin and API is read
with 20 rows of short texts and with 20 rows of long ones, in turns: medians of milliseconds, and their ratio.
"""

from __future__ import annotations

import argparse
import statistics as numbers
import time

import benchmarks.history  # noqa: F401 - sets Django up

# isort: split
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from cmc_webhooks import models
from tests.helpers import factories

ROWS = 20
TEXTS = {
    "marks": "a" + "\u0300" * 40_000 + "\u0316" * 40_000,
    "1 MB": "x" * 1_000_000,
    "1 MB of kanji": "漢" * 333_000,
    "1 MB of tags": "<" * 1_000_000,
}
ADMIN = ("mail", "deliveryevent", "bounceevent", "blockevent", "rejectedevent")
API = ("mail", "delivery-event", "bounce-event", "block-event", "rejected-event")


def store(text):
    """Store rows of each kind with this text wherever one is of any length."""
    of_mail = dict.fromkeys(("header_from", "return_path", "subject", "reason"), text)
    for number in range(ROWS):
        recipient = f"user{number}@example.jp {text}"
        mail = factories.MailFactory(recipient=recipient, address=f"user{number}@example.jp", **of_mail)
        factories.DeliveryEventFactory(mail=mail, reason=text, extra={"note": text})
        factories.BounceEventFactory(mail=mail, reason=text, extra={"note": text})
        factories.BlockEventFactory(raw={"note": text})
        factories.RejectedEventFactory(raw=f"{number:05} {text[:63_000]}", error=text)


def measure(client, urls, text):
    """Return the milliseconds of each list by name, of rows that are rolled back."""
    spent = {}
    with transaction.atomic():
        store(text)
        for name, url in urls.items():
            client.get(url)
            began = time.perf_counter()
            assert client.get(url).status_code == 200
            spent[name] = 1000 * (time.perf_counter() - began)
        transaction.set_rollback(True)
    return spent


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    call_command("migrate", verbosity=0)
    assert not models.Mail.objects.exists(), "the lists must hold these rows alone"
    user, _ = User.objects.get_or_create(username="benchmark", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)
    urls = {f"admin: {name}": reverse(f"admin:cmc_webhooks_{name}_changelist") for name in ADMIN}
    urls |= {f"API: {name}": reverse(f"cmc_webhooks_api:{name}-list") for name in API}
    print(f"{connection.vendor}\n\n| list | texts | short, ms | long, ms | ratio |\n|---|---|---|---|---|")
    for words, text in TEXTS.items():
        taken = [(measure(client, urls, "short"), measure(client, urls, text)) for _ in range(rounds)]
        for name in urls:
            short, long = (numbers.median(each[way][name] for each in taken) for way in (0, 1))
            print(f"| {name} | {words} | {short:.1f} | {long:.1f} | {long / short:.1f} |", flush=True)


if __name__ == "__main__":
    main()
