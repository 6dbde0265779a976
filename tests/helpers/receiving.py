"""Notifications that are received, without HTTP."""

from __future__ import annotations

from datetime import UTC, datetime

from cmc_webhooks import ingest, wire
from tests.conftest import delivery, notification

NOW = datetime(2023, 1, 25, 6, 0, tzinfo=UTC)


def receive(event_type, *events, received_at=NOW):
    return ingest.receive(wire.decode(notification(event_type, *events)), received_at=received_at)


def batch_of(number, **values):
    return [delivery(f"<m{n}@example.com>", to=f"u{n}@example.jp", **values) for n in range(number)]
