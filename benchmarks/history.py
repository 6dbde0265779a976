"""A plausible history of any size, the same each time.

`python -m benchmarks.history --events 5000000`; DATABASE_URL names an empty database. Its tables are made and
filled, on PostgreSQL by COPY, and its counts proved and rolled up.
Keys are as `wire` makes them, so that every look-up works on it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from operator import attrgetter

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
django.setup()

from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection, transaction

from cmc_webhooks import models, wire
from cmc_webhooks.statistics import recount, rollup
from cmc_webhooks.status import bounce_class
from cmc_webhooks.store import bulk

DAYS = 365
DOMAINS = [f"domain{number}.example.jp" for number in range(2000)]
WEIGHTS = [1 / (number + 1) for number in range(len(DOMAINS))]
SUBJECTS = [
    f"{name}のお知らせ（第{number}号）" for name in ("ご注文", "ご予約", "会員様へ") for number in range(300)
]
CODES = [("2", 40), ("1", 10), ("5", 15), ("3", 10), ("4", 10), ("7", 8), ("9", 3), ("10", 3), ("99", 1)]
REASON = "550 5.1.1 The email account that you tried to reach does not exist. Please check for typos."
TABLES = (models.Notification, models.Mail, models.DeliveryEvent, models.BounceEvent)
COPIED, INSERTED, AT_ONCE = 20_000, 200_000, 1_000
"""Rows that are kept until they are copied or inserted, and those of one INSERT."""


class Writer:
    """Rows into one table, with columns by name: by COPY, or by inserts of many rows in key order."""

    def __init__(self, model):
        self.fields = list(model._meta.concrete_fields)
        self.model, self.rows = model, []
        self.before: list[Writer] = []

    def add(self, row):
        self.rows.append(row)
        if len(self.rows) >= (COPIED if connection.vendor == "postgresql" else INSERTED):
            self.flush()

    def flush(self):
        if connection.vendor == "postgresql":
            for writer in self.before:
                writer.flush()
            self._copy()
        else:
            self._insert()
        self.rows.clear()

    def _copy(self):
        columns = ", ".join(field.column for field in self.fields)
        sql = f"COPY {self.model._meta.db_table} ({columns}) FROM STDIN"
        with connection.cursor() as cursor, cursor.copy(sql) as copy:
            for row in self.rows:
                values = [getattr(row, field.attname) for field in self.fields]
                copy.write_row([json.dumps(v) if isinstance(v, dict) else v for v in values])

    def _insert(self):
        ordered = sorted(self.rows, key=attrgetter("id"))
        with transaction.atomic():
            for start in range(0, len(ordered), AT_ONCE):
                bulk.insert_plainly("default", ordered[start : start + AT_ONCE])


def fill(events: int, first: int = 0, end: datetime | None = None, progress=print) -> None:
    """Write that many events, about 2.1 to a mail, over a year that ends now; mails count from `first`."""
    with connection.constraint_checks_disabled(), without_indexes():
        _fill(events, first, end, progress)


@contextmanager
def without_indexes():
    """On MariaDB indexes are made last: chance keys in indexes larger than its memory take hours."""
    indexes = [(model, index) for model in TABLES for index in model._meta.indexes]
    if connection.vendor != "mysql" or models.Mail.objects.exists():
        indexes = []
    with connection.cursor() as cursor:
        for model, index in indexes:
            cursor.execute(f"DROP INDEX {index.name} ON {model._meta.db_table}")
    yield
    for model, index in indexes:
        with connection.schema_editor() as editor:
            editor.add_index(model, index)


def _fill(events, first, end, progress):
    dice = random.Random(20260101 + first)
    end = end or datetime.now(UTC).replace(microsecond=0)
    begin = end - timedelta(days=DAYS)
    mails = max(1, int(events / 2.13))
    step = (end - begin) / mails
    writers = {model: Writer(model) for model in TABLES}
    for model in (models.DeliveryEvent, models.BounceEvent):
        writers[model].before = [writers[models.Mail]]  # their rows refer to it
    domains = dice.choices(DOMAINS, WEIGHTS, k=mails)
    codes, weights = zip(*CODES, strict=True)
    written = 0
    for number in range(mails):
        at = begin + step * number
        if number % 50 == 0:
            notification = models.Notification(
                id=wire.time_key(int(at.timestamp() * 1000)), received_at=at, event_type="deliveries",
                server_composition="pro", new=100, repeated=0, rejected=0,
            )  # fmt: skip
            writers[models.Notification].add(notification)
        mail, its_events = story(dice, first + number, at, domains[number], codes, weights)
        writers[models.Mail].add(mail)
        for event in its_events:
            event.notification_id = notification.id
            writers[type(event)].add(event)
        written += len(its_events)
        if number % 200_000 == 0:
            progress(f"{written:,} events")
    for writer in writers.values():
        writer.flush()
    progress(f"{written:,} events, {mails:,} mails")


def story(dice, number, at, domain, codes, weights):
    """One mail and what happened to it."""
    address = f"user{dice.randrange(400_000)}@{domain}"
    bare, composition = f"{number:x}@shop.example.jp", "pro" if dice.random() < 0.9 else "sandbox"
    seconds = int(dice.lognormvariate(1.5, 1.2))
    done = at + timedelta(seconds=seconds)
    fate = dice.random()
    outcome = "succeeded" if fate < 0.93 else "failed"
    mail = models.Mail(
        id=wire.mail_key(bare, composition, address, wire.time_key(0)),
        message_id=f"<{bare}>", recipient=address, address=address, domain=domain,
        header_from="info@shop.example.jp", sender="info@shop.example.jp",
        return_path="bounce@shop.example.jp", subject=dice.choice(SUBJECTS),
        api_data=f"order-{number}" if number % 3 == 0 else "",
        server_composition=composition, status=outcome, previous_status="queued", delivery_status=outcome,
        bounce_code="", bounce_class="", status_at=done,
        reason="" if outcome == "succeeded" else REASON, version=2,
        created_at=received(at), first_event_at=at, last_event_at=done,
    )  # fmt: skip
    queued = delivery(mail, "queued", at)
    end = delivery(mail, outcome, done)
    mail.delivery_event_id = end.id
    its_events = [queued, end]
    if 0.92 <= fate < 0.98:  # some that were refused have no bounce
        late = done + timedelta(days=dice.randrange(3) * (fate < 0.93))
        code = dice.choices(codes, weights)[0]
        bounced = models.BounceEvent(
            id=key(late), mail_id=mail.id, occurred_at=late, received_at=received(late),
            reason=REASON, extra={}, bounce_code=code,
        )  # fmt: skip
        its_events.append(bounced)
        mail.bounce_event_id, mail.bounce_code, mail.status, mail.version = bounced.id, code, "bounced", 3
        mail.bounce_class = bounce_class(code).value
        mail.previous_status, mail.status_at, mail.last_event_at, mail.reason = outcome, late, late, REASON
    return mail, its_events


def delivery(mail, status, at):
    return models.DeliveryEvent(
        id=key(at), mail_id=mail.id, occurred_at=at, received_at=received(at), extra={}, status=status,
        reason="" if status != "failed" else REASON, source_ip="192.0.2.1", sender_ip="198.51.100.7",
    )  # fmt: skip


def received(at):
    """When what happened then is told: what comes together has one time of receipt."""
    return at.replace(second=0, microsecond=0) + timedelta(minutes=1)


def key(at):
    """As an event key: CMC's wall clock in Tokyo, then what stands for the hash."""
    return wire.time_key(int((at + timedelta(hours=9)).timestamp() * 1000))


def analyse():
    """Let the database know what is in its tables."""
    tables = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in TABLES)
    known = {"postgresql": "VACUUM ANALYZE", "sqlite": "ANALYZE", "mysql": f"ANALYZE TABLE {tables}"}
    with connection.cursor() as cursor:
        cursor.execute(known[connection.vendor])
        if connection.vendor == "mysql":
            cursor.fetchall()


def make(events):
    """Tables, and that many events in them."""
    call_command("migrate", run_syncdb=True, verbosity=0)
    assert not models.Mail.objects.exists(), "DATABASE_URL must name an empty database"
    fill(events)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=5_000_000)
    events = parser.parse_args().events
    call_command("migrate", verbosity=0)
    tables = [model._meta.db_table for model in (*TABLES, models.MailCount, models.DomainCount)]
    connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), tables))
    began = time.monotonic()
    fill(events)
    print(f"filled in {time.monotonic() - began:.0f} s")
    analyse()
    for name, work in (
        ("counted", lambda: recount.recount("default", recount.days("default"))),
        ("rolled up", lambda: rollup.roll_up("default", fresh=timedelta())),
    ):
        began = time.monotonic()
        print(f"{name}: {work()} in {time.monotonic() - began:.0f} s")
    analyse()


if __name__ == "__main__":
    main()
