"""What the databases need for the work alone: the driver, `json`, and a hash. No Django, no promises.

Mails, events, status and notification of the app's tables, in copies of them, in one transaction, with the
rows as one JSON parameter. Nothing is checked, cleaned, counted or told; a floor for clean input.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

PHASES = {"queued": 1, "deferred": 2, "succeeded": 3, "failed": 3}
TABLES = ("notification", "mail", "deliveryevent")
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - compared with wall clocks
_ZONE = timedelta(hours=9)


def _uuid(bits: int) -> str:
    first, last = bits >> 60, bits & (1 << 60) - 1
    return str(UUID(int=(first >> 12) << 80 | 0x8 << 76 | (first & 0xFFF) << 64 | 0xB << 60 | last))


def _hash(text: str, size: int) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=size).digest(), "big")


def rows(body: bytes, now: datetime) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Mails, one for each key, and events, both in key order, of a clean JSON body of deliveries."""
    frame = json.loads(body) if body.startswith(b"{") else dict(parse_qsl(body.decode()))
    told = frame["event"]
    mails: dict[str, dict[str, Any]] = {}
    events = []
    for event in (json.loads(told) if isinstance(told, str) else told)["deliveries"]:
        created = datetime.fromisoformat(event["created"])
        ms = (created - _EPOCH) // timedelta(milliseconds=1)
        key = _uuid(ms << 72 | _hash(json.dumps(event, sort_keys=True), 9))
        recipient = event["to"]
        mail = _uuid((_hash(event["messageId"], 8) >> 4) << 60 | _hash(recipient, 8) >> 4)
        at = (created - _ZONE).isoformat() + "+00:00"
        events.append(
            {
                "id": key, "mail_id": mail, "occurred_at": at, "status": event["status"],
                "reason": event["reason"], "source_ip": event["sourceIp"], "sender_ip": event["senderIp"],
            }
        )  # fmt: skip
        one = mails.get(mail)
        if one is None or PHASES[one["status"]] <= PHASES[event["status"]]:
            mails[mail] = {
                "id": mail, "message_id": event["messageId"], "recipient": recipient,
                "address": recipient.lower(), "domain": recipient.rpartition("@")[2],
                "header_from": event["from"], "sender": event["from"].lower(),
                "return_path": event["returnPath"], "subject": event["subject"], "api_data": event["apiData"],
                "status": event["status"], "phase": PHASES[event["status"]],
                "event": key, "at": at, "reason": event["reason"],
            }  # fmt: skip
    return sorted(mails.values(), key=lambda row: row["id"]), sorted(events, key=lambda row: row["id"])


def _notification(now: datetime) -> str:
    return _uuid(int(now.timestamp() * 1000) << 72 | time.perf_counter_ns() & (1 << 60) - 1)


class PostgreSQL:
    """psycopg, one statement with one parameter."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def make_tables(self) -> None:
        with self.connection.transaction():
            for name in TABLES:
                self.connection.execute(f"DROP TABLE IF EXISTS floor_{name} CASCADE")
                self.connection.execute(f"CREATE TABLE floor_{name} (LIKE cmc_webhooks_{name} INCLUDING ALL)")
            self.connection.execute(
                "ALTER TABLE floor_deliveryevent ADD FOREIGN KEY (mail_id) REFERENCES floor_mail"
                " DEFERRABLE INITIALLY DEFERRED"
            )

    def receive(self, body: bytes) -> None:
        now = datetime.now(UTC)
        mails, events = rows(body, now)
        given = {
            "now": now,
            "notification": _notification(now),
            "events": len(events),
            "rows": json.dumps({"mails": mails, "events": events}),
        }
        with self.connection.transaction():
            self.connection.execute(_POSTGRESQL, given)

    def repeat(self, body: bytes) -> None:
        now = datetime.now(UTC)
        _, events = rows(body, now)
        keys = [row["id"] for row in events]
        known = self.connection.execute(
            "SELECT id FROM floor_deliveryevent WHERE id = ANY(%s::uuid[])", [keys]
        ).fetchall()
        self.connection.execute(
            "INSERT INTO floor_notification VALUES (%s, %s, 'webhook', 'deliveries', 'pro', 0, %s, 0)",
            [_notification(now), now, len(known)],
        )


_POSTGRESQL = """
WITH given AS MATERIALIZED (SELECT %(rows)s::json AS it),
said AS (INSERT INTO floor_notification
    VALUES (%(notification)s, %(now)s, 'webhook', 'deliveries', 'pro', %(events)s, 0, 0)),
mails AS (
    INSERT INTO floor_mail AS m
    SELECT r.id, message_id, recipient, address, domain, header_from, sender, return_path, subject, api_data,
           'pro', status, '', status, event, '', '', NULL, at, reason, 1, %(now)s, at, at, NULL
    FROM given, json_to_recordset(it->'mails') AS r(
        id uuid, message_id text, recipient text, address text, domain text, header_from text,
        sender text, return_path text, subject text, api_data text, status text, event uuid,
        at timestamptz, reason text)
    ORDER BY r.id
    ON CONFLICT (id) DO UPDATE SET
        status = EXCLUDED.status, previous_status = m.status, delivery_status = EXCLUDED.status,
        delivery_event_id = EXCLUDED.delivery_event_id, status_at = EXCLUDED.status_at,
        reason = EXCLUDED.reason, version = m.version + 1,
        last_event_at = greatest(m.last_event_at, EXCLUDED.last_event_at)
    RETURNING id)
INSERT INTO floor_deliveryevent
SELECT e.id, occurred_at, %(now)s, reason, '{}', status, source_ip, sender_ip, mails.id, %(notification)s
FROM given, json_to_recordset(it->'events') AS e(
    id uuid, mail_id uuid, occurred_at timestamptz, reason text, status text, source_ip text, sender_ip text)
JOIN mails ON mails.id = mail_id
ORDER BY e.id
ON CONFLICT (id) DO NOTHING
"""


class SQLite:
    """sqlite3, a prepared statement for each table."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def make_tables(self) -> None:
        masters = self.connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE tbl_name IN (?, ?, ?) AND sql IS NOT NULL"
            " ORDER BY type DESC",
            [f"cmc_webhooks_{name}" for name in TABLES],
        ).fetchall()
        for name in reversed(TABLES):
            self.connection.execute(f"DROP TABLE IF EXISTS floor_{name}")
        for name, sql in masters:
            self.connection.execute(
                sql.replace("cmc_webhooks_", "floor_").replace(f'"{name}" ON', f'"floor_{name}" ON')
            )

    def receive(self, body: bytes) -> None:
        now = datetime.now(UTC)
        mails, events = rows(body, now)
        self.connection.execute("BEGIN IMMEDIATE")
        for sql, values in _plain_statements(mails, events, now, "?", _SQLITE_UPSERT):
            self.connection.executemany(sql, values)
        self.connection.execute("COMMIT")

    def repeat(self, body: bytes) -> None:
        now = datetime.now(UTC)
        _, events = rows(body, now)
        keys = [_plain_key(row["id"]) for row in events]
        places = ", ".join("?" * len(keys))
        known = self.connection.execute(
            f"SELECT id FROM floor_deliveryevent WHERE id IN ({places})", keys
        ).fetchall()
        self.connection.execute(
            _PLAIN_NOTIFICATION.replace("%s", "?"), _notification_values(now, 0, len(known))
        )


class MariaDB:
    """mysqlclient, one statement of many rows for each table."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def make_tables(self) -> None:
        with self.connection.cursor() as cursor:
            for name in reversed(TABLES):
                cursor.execute(f"DROP TABLE IF EXISTS floor_{name}")
            for name in TABLES:
                cursor.execute(f"CREATE TABLE floor_{name} LIKE cmc_webhooks_{name}")
            cursor.execute(
                "ALTER TABLE floor_deliveryevent ADD FOREIGN KEY (mail_id) REFERENCES floor_mail (id)"
            )

    def receive(self, body: bytes) -> None:
        now = datetime.now(UTC)
        mails, events = rows(body, now)
        with self.connection.cursor() as cursor:
            cursor.execute("BEGIN")
            for sql, values in _plain_statements(mails, events, now, "%s", _MARIADB_UPSERT):
                cursor.executemany(sql, values)
            cursor.execute("COMMIT")

    def repeat(self, body: bytes) -> None:
        now = datetime.now(UTC)
        _, events = rows(body, now)
        places = ", ".join(["%s"] * len(events))
        with self.connection.cursor() as cursor:
            cursor.execute(
                f"SELECT id FROM floor_deliveryevent WHERE id IN ({places})", [row["id"] for row in events]
            )
            known = cursor.fetchall()
            cursor.execute(_PLAIN_NOTIFICATION, _notification_values(now, 0, len(known), plain=False))


_PLAIN_NOTIFICATION = (
    "INSERT INTO floor_notification (id, received_at, source, event_type, server_composition, new, repeated,"
    " rejected) VALUES (%s, %s, 'webhook', 'deliveries', 'pro', %s, %s, 0)"
)
_PLAIN_MAIL = (
    "INSERT INTO floor_mail (id, message_id, recipient, address, domain, header_from, sender, return_path,"
    " subject, api_data, server_composition, status, previous_status, delivery_status, delivery_event_id,"
    " bounce_code, bounce_class, bounce_event_id, status_at, reason, version, created_at, first_event_at,"
    " last_event_at, erased_at)"
    f" VALUES ({', '.join(['%s'] * 25)})"
)
_SQLITE_UPSERT = (
    " ON CONFLICT (id) DO UPDATE SET previous_status = status, status = excluded.status,"
    " delivery_status = excluded.status, delivery_event_id = excluded.delivery_event_id,"
    " status_at = excluded.status_at, reason = excluded.reason, version = version + 1,"
    " last_event_at = max(last_event_at, excluded.last_event_at)"
)
_MARIADB_UPSERT = (
    " ON DUPLICATE KEY UPDATE previous_status = status, status = VALUES(status),"
    " delivery_status = VALUES(status), delivery_event_id = VALUES(delivery_event_id),"
    " status_at = VALUES(status_at), reason = VALUES(reason), version = version + 1,"
    " last_event_at = greatest(last_event_at, VALUES(last_event_at))"
)
_PLAIN_EVENT = (
    "INSERT INTO floor_deliveryevent (id, mail_id, notification_id, occurred_at, received_at, status, reason,"
    f" source_ip, sender_ip, extra) VALUES ({', '.join(['%s'] * 10)})"
)


def _plain_key(key: str) -> str:
    return key.replace("-", "")


def _notification_values(now: datetime, new: int, repeated: int, *, plain: bool = True) -> list[Any]:
    key = _notification(now)
    return [_plain_key(key) if plain else key, now.replace(tzinfo=None).isoformat(" "), new, repeated]


def _plain_statements(
    mails: list[dict[str, Any]], events: list[dict[str, Any]], now: datetime, place: str, upsert: str
) -> list[tuple[str, list[list[Any]]]]:
    key = _plain_key if place == "?" else str
    moment = now.replace(tzinfo=None).isoformat(" ")
    said = _notification_values(now, len(events), 0, plain=place == "?")
    at = {row["at"]: row["at"][:19].replace("T", " ") for row in mails}
    mail_rows = [
        [
            key(row["id"]), row["message_id"], row["recipient"], row["address"], row["domain"],
            row["header_from"], row["sender"], row["return_path"], row["subject"], row["api_data"], "pro",
            row["status"], "", row["status"], key(row["event"]), "", "", None, at[row["at"]], row["reason"],
            1, moment, at[row["at"]], at[row["at"]], None,
        ]
        for row in mails
    ]  # fmt: skip
    event_rows = [
        [
            key(row["id"]), key(row["mail_id"]), said[0], row["occurred_at"][:19].replace("T", " "), moment,
            row["status"], row["reason"], row["source_ip"], row["sender_ip"], "{}",
        ]
        for row in events
    ]  # fmt: skip
    statements = [
        (_PLAIN_NOTIFICATION, [said]),
        (_PLAIN_MAIL + upsert, mail_rows),
        (_PLAIN_EVENT, event_rows),
    ]
    return [(sql.replace("%s", place), values) for sql, values in statements]
