from __future__ import annotations

from datetime import UTC, datetime, timedelta

import django
import pytest
from django.core import mail
from django.utils import timezone

from cmc_webhooks import models, timezones, wire
from cmc_webhooks.alerts import looking
from cmc_webhooks.statistics import deltas, rollup
from cmc_webhooks.store import counts
from tests.helpers import factories

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
LOCMEM = "django.core.mail.backends.locmem.EmailBackend"


def mails(number, *, at=NOW - timedelta(hours=1), composition="pro", domain="docomo.ne.jp", **values):
    """Store mails received at a time, counted as ingest counts them."""
    made = [
        factories.MailFactory.build(
            recipient=f"user@{domain}",
            server_composition=composition,
            created_at=timezones.to_stored(at),
            **values,
        )
        for _ in range(number)
    ]
    for each in made:
        each.bounce_event_id = wire.key_at(at) if each.bounce_code else None
        each.delivery_event_id = wire.key_at(at)
    models.Mail.objects.bulk_create(made)
    moves = deltas.CountDeltas()
    for each in made:
        moves.move(None, deltas.cell(each))
    counts.count("default", deltas.to_rows(moves, at))


def delivered(number, **values):
    mails(number, delivery_status="succeeded", **values)


def refused(number, **values):
    mails(number, **({"bounce_code": "2", "delivery_status": "succeeded"} | values))


def past(days=28, *, number=100, bad=2, before=NOW, **values):
    """Store the counts of days before the window, as ingest and the roll-up leave them."""
    names = {"composition": "pro", "domain": "docomo.ne.jp", **values}
    last = (before - timedelta(days=1)).astimezone(timezone.get_default_timezone()).date()
    moves = deltas.CountDeltas()
    rows, marks = [], {}
    for back in range(1, days + 1):
        day = last - timedelta(days=back)
        moves[deltas.CountKey(day, names["composition"], "succeeded", "")] += number - bad
        moves[deltas.CountKey(day, names["composition"], "bounced", "hard")] += bad
        sums = rollup._Sums(mails=number, succeeded=number - bad, bounced=bad)
        moment = timezones.to_stored(before)
        rows.append(rollup._row(day, names["composition"], names["domain"], sums, moment))
        marks[day] = rollup._mark(day, names["composition"], timezones.to_stored(before + timedelta(hours=1)))
    counts.count("default", deltas.to_rows(moves, before))
    models.DomainCount._default_manager.bulk_create(rows)
    models.DomainCount._default_manager.bulk_create(marks.values(), ignore_conflicts=True)


@pytest.fixture(autouse=True)
def channels(settings):
    """Mail into the outbox, and no Slack."""
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": LOCMEM}}
    else:
        settings.EMAIL_BACKEND = LOCMEM
    settings.CMC_WEBHOOKS_ALERT_EMAILS = ["duty@example.com"]
    settings.CMC_WEBHOOKS_ALERT_SLACK_URL = ""
    mail.outbox = []


@pytest.fixture(autouse=True)
def ask_at_once(monkeypatch):
    monkeypatch.setattr(looking, "_asked_at", float("-inf"))
