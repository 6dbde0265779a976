"""What each page of the admin costs on a history of `benchmarks.history`: `python -m benchmarks.pages`.

For each page: the number of statements, the medians of the time that they took and of the whole page, over
nine rounds after one to warm up, and whether a plan reads one of the large tables as a whole. With `--plans`
the plans too.
"""

from __future__ import annotations

import argparse
import os
import statistics as numbers
import time
import tracemalloc
from datetime import timedelta

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
django.setup()

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from cmc_webhooks import models

ROUNDS = 9
LARGE = ("cmc_webhooks_mail", "cmc_webhooks_deliveryevent", "cmc_webhooks_bounceevent")


class Statements:
    """Times each statement, and keeps it."""

    def __init__(self):
        self.seconds, self.sent = [], []

    def __call__(self, execute, sql, params, many, context):
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.seconds.append(time.perf_counter() - began)
            self.sent.append((sql, params))


def pages():
    """Name and address of each page that is measured."""
    mail = models.Mail.objects.filter(status="bounced").order_by("-created_at")[1000]
    lists = {
        name: reverse(f"admin:cmc_webhooks_{name}_changelist")
        for name in ("mail", "deliveryevent", "bounceevent")
    }
    day = (timezone.now() - timedelta(days=40)).date()
    week = f"from={day - timedelta(days=6)}&to={day}"
    return {
        "mails": lists["mail"],
        "mails, status failed": lists["mail"] + "?status=failed",
        "mails, status bounced": lists["mail"] + "?status=bounced",
        "mails, bounce class hard": lists["mail"] + "?bounce_class=hard",
        "mails, bounce class suppressed, a week": lists["mail"] + f"?bounce_class=suppressed&{week}",
        "mails, composition": lists["mail"] + "?server_composition=sandbox",
        "mails, a week": lists["mail"] + f"?{week}",
        "mails, past 30 days, failed": lists["mail"] + "?since=30-days&status=failed",
        "search by address": lists["mail"] + f"?q={mail.address}",
        "search by message id": lists["mail"] + f"?q={mail.message_id}",
        "search by API data": lists["mail"] + "?q=order-300000",
        "search by domain": lists["mail"] + "?q=@domain1500.example.jp",
        "search by a large domain": lists["mail"] + "?q=@domain0.example.jp",
        "search by nothing known": lists["mail"] + "?q=nobody@nowhere.example",
        "search by a word of the subject, a week": lists["mail"] + f"?q=第299号&{week}",
        "a mail": reverse("admin:cmc_webhooks_mail_change", args=[mail.pk]),
        "overview, 30 days": reverse("admin:cmc_webhooks_mail_overview") + "?since=30-days",
        "overview, a year": reverse("admin:cmc_webhooks_mail_overview") + "?since=365-days",
        "deliveries": lists["deliveryevent"],
        "deliveries, failed": lists["deliveryevent"] + "?status=failed",
        "deliveries, a week": lists["deliveryevent"] + f"?{week}",
        "bounces, soft": lists["bounceevent"] + "?bounce_class=soft",
        "bounces by address": lists["bounceevent"] + f"?q={mail.address}",
    }


def measure(client, url):
    """Number of statements, medians of milliseconds of SQL and of the page, and the last statements."""
    sql, whole = [], []
    for number in range(ROUNDS + 1):
        statements = Statements()
        began = time.perf_counter()
        with connection.execute_wrapper(statements):
            answer = client.get(url)
        assert answer.status_code == 200, (url, answer.status_code)
        if number:
            sql.append(1000 * sum(statements.seconds))
            whole.append(1000 * (time.perf_counter() - began))
    return len(statements.sent), numbers.median(sql), numbers.median(whole), statements.sent


def plan_of(sql, params):
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}", params)
        return [line for (line,) in cursor.fetchall()]


def export(client):
    """Rows, seconds, and the growth of memory while all mails are exported."""
    url = reverse("admin:cmc_webhooks_mail_export")
    tracemalloc.start()
    began, lines, early = time.perf_counter(), 0, 0
    for part in client.post(url).streaming_content:
        lines += part.count(b"\n")
        if lines == 5000:
            early, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
        if lines > 1_000_000:
            break
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return lines, time.perf_counter() - began, most - early


def table(client, addresses, *, plans=False):
    """Print what each of these addresses costs; the milliseconds of SQL by name."""
    costs = {}
    print("| page | statements | SQL, ms | whole page, ms | whole tables read |")
    print("|---|---|---|---|---|")
    for name, url in addresses.items():
        count, sql, whole, sent = measure(client, url)
        costs[name] = sql
        found = [plan_of(*each) for each in sent if each[0].startswith("SELECT")]
        scans = {t for plan in found for line in plan for t in LARGE if f"Seq Scan on {t} " in line}
        print(
            f"| {name} | {count} | {sql:.1f} | {whole:.0f} | {', '.join(sorted(scans)) or 'none'} |",
            flush=True,
        )
        if plans:
            for plan in found:
                print("\n".join(plan), end="\n\n")
    return costs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plans", action="store_true")
    parser.add_argument("--export", action="store_true", help="also export up to 1,000,000 mails")
    chosen = parser.parse_args()
    user, _ = User.objects.get_or_create(username="benchmark", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)
    table(client, pages(), plans=chosen.plans)
    if chosen.export:
        rows, seconds, grown = export(client)
        print(f"exported {rows:,} lines in {seconds:.0f} s, memory grew by {grown / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
