"""Small databases of a release, as SQL text, and what a later version does with them.

`python -m tests.upgrade freeze FOLDER` migrates an empty database, plays a short history, and writes
FOLDER/<database>.sql and FOLDER/facts.json. `upgrade FOLDER` loads that file into an empty database, migrates
it to this version and compares. Both use databases that they make beside that of DATABASE_URL, and drop.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import Sum
from django.test import Client

from cmc_webhooks import alerts, erasure, feed, maintenance, models, signals, suppression
from cmc_webhooks.dispatch import retries
from cmc_webhooks.monitoring import refusals
from cmc_webhooks.simulator import scenarios
from cmc_webhooks.simulator.plan import Plan, batches, in_order
from cmc_webhooks.statistics import rollup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["run"]

END = ";\n\n"
"""What ends a statement in a dump."""
KEY = "s3cret-value-for-tests"
DEFINES = ("CREATE", "ALTER", "DROP", "COMMENT", "RENAME")
BLOCKED, RELEASED, ERASED = "blocked@example.jp", "released@example.jp", "erased@example.jp"
PENDING = 3
START = datetime(2026, 3, 2, 9, 0)  # noqa: DTZ001 - CMC's wall clock
LISTED = {
    "created": "2026-03-02 08:46:00",
    "email": "listed@example.jp",
    "id": "cp0ihzuyl3445",
    "occurred": "1",
    "status": "2",
}
LATER = {
    "created": "2026-04-01 10:00:00",
    "messageId": "<after-the-upgrade@example.com>",
    "from": "info@example.com",
    "to": "new@example.jp",
    "status": "succeeded",
}


def database_name() -> str:
    """Return the database's name as files have it: mariadb, postgresql or sqlite."""
    return "mariadb" if connection.vendor == "mysql" else connection.vendor


# ---- Databases --------------------------------------------------------------------------------------------


@contextmanager
def scratch(name: str) -> Iterator[None]:
    """Lead the connection to an empty database for as long as the block runs."""
    usual = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield from _use(f"{folder}/{name}.sqlite3", usual)
        return
    made = f"cmc_{name}_{os.getpid()}"
    words = " CHARACTER SET utf8mb4" if connection.vendor == "mysql" else ""
    _execute(f"DROP DATABASE IF EXISTS {made}", f"CREATE DATABASE {made}{words}")
    try:
        yield from _use(made, usual)
    finally:
        _execute(f"DROP DATABASE IF EXISTS {made}")


def _use(name: str, usual: str) -> Iterator[None]:
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = usual


def _execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _rows(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


# ---- The dump ---------------------------------------------------------------------------------------------


def migrate_recorded() -> list[str]:
    """Migrate an empty database, and return the statements that made its tables."""
    statements = []

    def record(
        execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        if sql.lstrip().upper().startswith(DEFINES):
            assert not params, f"a statement with parameters cannot be frozen: {sql}"
            statements.append(sql.strip().rstrip(";"))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(record):
        call_command("migrate", verbosity=0)
    return statements


def dumped(schema: list[str]) -> str:
    """Return the database as SQL: the statements that made its tables, then a line for each row."""
    statements = [*schema, *_inserts()]
    assert not [one for one in statements if END in one], "a value holds what ends a statement"
    return END.join(statements) + END[:-1]


def _inserts() -> Iterator[str]:
    quote = connection.ops.quote_name
    for table in sorted(connection.introspection.table_names()):
        with connection.cursor() as cursor:
            columns = connection.introspection.get_table_description(cursor, table)
            key = connection.introspection.get_primary_key_column(cursor, table)
            sequences = connection.introspection.get_sequences(cursor, table)
        names = ", ".join(quote(column.name) for column in columns)
        literals = ", ".join(map(_literal, columns))
        rows = _rows(f"SELECT {literals} FROM {quote(table)} ORDER BY {quote(key)}")
        if rows:
            lines = ",\n".join(f"({', '.join(map(str, row))})" for row in rows)
            yield f"INSERT INTO {quote(table)} ({names}) VALUES\n{lines}"
        for sequence in sequences if connection.vendor == "postgresql" else ():
            column = sequence["column"]
            yield (
                f"SELECT setval(pg_get_serial_sequence('{quote(table)}', '{column}'), "
                f"coalesce(max({quote(column)}), 1)) FROM {quote(table)}"
            )


def _literal(column: Any) -> str:
    """Return an expression that has the database write a column's value as SQL."""
    name = connection.ops.quote_name(column.name)
    if connection.vendor == "postgresql":
        return f"quote_nullable({name}::text)"
    return f"quote({name})"


def load(text: str) -> None:
    """Fill an empty database from a dump."""
    assert text.endswith(END[:-1]), "the dump was cut"
    with connection.constraint_checks_disabled(), transaction.atomic():
        _execute(*text.removesuffix(END[:-1]).split(END))


def shape() -> dict[str, Any]:
    """Return columns, indexes and constraints of the app's tables, in a form that can be compared."""
    found: dict[str, Any] = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if not table.startswith("cmc_webhooks_"):
                continue  # Django's own tables differ from one Django to the next
            columns = connection.introspection.get_table_description(cursor, table)
            limits = connection.introspection.get_constraints(cursor, table)
            found[table] = (
                {one.name: str((one.type_code, *one[3:])) for one in columns},  # without the width of values
                # SQLite names no constraint that has no index
                sorted(
                    f"{'' if name.startswith('__') else name} {sorted(limit.items(), key=str)}"
                    for name, limit in limits.items()
                ),
            )
    return found


# ---- The history ------------------------------------------------------------------------------------------


works = False
"""Whether `receiver` works. When databases are frozen it does not, so that signals are pending."""


def receiver(**sent: Any) -> None:
    """Stand for a receiver of the project."""
    if not works:
        raise LookupError


def play() -> None:
    """Make rows in every table of the app, through the app: the same history in each release."""
    for event_type, events in batches(in_order(Plan(seed=19, start=START, events=30)), 30):
        post(event_type, events)
    every = {code: scenarios.refused(code) for code in scenarios.REASONS} | {
        "late": scenarios.bounced_later(),
        "deferred": scenarios.deferred(),
        "given-up": scenarios.given_up(),
    }
    for word, scenario in every.items():
        send_mail(f"{word}@example.jp", scenario)
    for address in (BLOCKED, RELEASED, ERASED):
        send_mail(address, scenarios.refused("2"))
    post("blocks", [LISTED])
    post("deliveries", ["not an event"])
    assert Client().post("/cmc/webhook", "{}", content_type="application/json").status_code == 403
    refusals.flush()

    actor = erasure.Actor("python", "support", "asked by telephone")
    suppression.block(BLOCKED, note="asked by telephone", author="support")
    suppression.release(RELEASED, note="has a new mailbox", author="support")
    erasure.erase(ERASED, actor=actor)

    signals.status_changed.connect(receiver, sender=models.Mail)
    send_mail("pending@example.jp", scenarios.delivered())
    send_mail("dead@example.jp", scenarios.delivered())
    signals.status_changed.disconnect(receiver, sender=models.Mail)
    # As after the last attempt, hours later
    last = models.PendingSignal.objects.order_by("pk").last()
    models.PendingSignal.objects.filter(pk=last.pk).update(
        state=models.PendingSignal.States.DEAD, attempts=retries.MAX_ATTEMPTS
    )

    rollup.roll_up("default")
    alerts.look()
    feed.number_changes()


def post(event_type: str, events: list[Any]) -> None:
    """Receive a notification."""
    body = {
        "api_key": KEY,
        "event_type": event_type,
        "server_composition": "pro",
        "event": {event_type: events},
    }
    answer = Client().post("/cmc/webhook", json.dumps(body), content_type="application/json")
    assert answer.status_code == 200, answer.content


def send_mail(recipient: str, scenario: scenarios.Scenario) -> None:
    """Receive what happens to one mail, an event at a time."""
    message = scenarios.Message(message_id=f"<{recipient}>", recipient=recipient, api_data="order-7")
    for step in scenario:
        event = scenarios.event(message, step, START + timedelta(seconds=step.seconds))
        post(event.event_type, [event.values])


# ---- What must stay ---------------------------------------------------------------------------------------


def facts() -> dict[str, Any]:
    """Return what an upgrade must leave as it is: numbers of rows, statuses, verdicts, sums."""
    mails = models.Mail.objects.order_by("pk")
    addresses = [*sorted({mail.recipient for mail in mails} - {""}), ERASED, "listed@example.jp"]
    verdicts = suppression.verdicts(addresses)
    return {
        "rows": {
            model._meta.label: model._default_manager.count()
            for model in apps.get_app_config("cmc_webhooks").get_models()
            if model is not models.MailCount  # its rows are divided at random, for many writers
        },
        "counts": {
            " ".join(map(str, key)).strip(): number
            for *key, number in models.MailCount.objects.values_list("day", "status", "bounce_class")
            .order_by("day", "status", "bounce_class")
            .annotate(Sum("number"))
        },
        "statuses": {
            f"{mail.pk} {mail.recipient}": f"{mail.status} {mail.bounce_class}".strip() for mail in mails
        },
        "verdicts": {
            address: f"{'send' if verdict.may_send else 'stop'} {verdict.reason}".strip()
            for address, verdict in verdicts.items()
        },
        "timelines": dict(
            sorted(
                Counter(
                    event.mail.recipient
                    for model in (models.DeliveryEvent, models.BounceEvent)
                    for event in model.objects.select_related("mail")
                ).items()
            )
        ),
    }


def differences(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """Return a line for each fact that an upgrade changed."""
    return [
        f"{subject}: {name} was {value!r} and is {found[subject].get(name)!r}"
        for subject, values in expected.items()
        for name, value in values.items()
        if found[subject].get(name) != value
    ]


# ---- Commands ---------------------------------------------------------------------------------------------


def freeze(folder: Path) -> None:
    """Write the dump of this version's database, and its facts if no other database has."""
    folder.mkdir(parents=True, exist_ok=True)
    with scratch("freeze"):
        schema = migrate_recorded()
        play()
        known = facts()
        empty = [name for name, number in known["rows"].items() if not number]
        assert not empty, f"no rows of {empty}: let play() in tests/upgrade/frozen.py make some"
        (folder / f"{database_name()}.sql").write_text(dumped(schema), encoding="utf-8")
    file = folder / "facts.json"
    if file.exists():
        differing = differences(known, json.loads(file.read_text(encoding="utf-8")))
        assert not differing, f"{database_name()} differs from the other databases: {differing}"
    file.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def upgrade(folder: Path) -> None:
    """Load the dump of a version, migrate it, and use it."""
    global works

    with scratch("fresh"):
        call_command("migrate", verbosity=0)
        fresh = shape()
    with scratch("upgraded"):
        load((folder / f"{database_name()}.sql").read_text(encoding="utf-8"))
        call_command("migrate", verbosity=0)
        known = json.loads((folder / "facts.json").read_text(encoding="utf-8"))

        found = shape()
        changed = [table for table in fresh if found.get(table) != fresh[table]]
        assert not changed, [(found.get(table), fresh[table]) for table in changed]
        assert not (lines := differences(facts(), known)), "\n".join(lines)

        post("deliveries", [LATER])
        post("deliveries", [LATER])
        assert [mail.status for mail in models.Mail.objects.for_address("new@example.jp")] == ["succeeded"]

        pending = models.PendingSignal.objects.filter(state=models.PendingSignal.States.PENDING)
        assert pending.update(available_at=0) == PENDING
        works = True
        signals.status_changed.connect(receiver, sender=models.Mail)
        assert (swept := maintenance.run().sent) == PENDING, swept


def run(command: str, folder: str) -> None:
    """Run a command of this package."""
    {"freeze": freeze, "upgrade": upgrade}[command](Path(folder))
