"""Write alerts and their messages, and claim messages and checks for one process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import IntegrityError
from django.db.models import F, Q

from cmc_webhooks.db import transactions
from cmc_webhooks.models import Alert, AlertLook, AlertMessage
from cmc_webhooks.store.bulk import insert

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID


def claim_look(using: str, now: datetime, until: datetime, due: datetime) -> AlertLook | None:
    """Claim the next look, if none was made since `due` and no other process makes one. None if not.

    All times are stored ones. A time in the future is that of a clock that was wrong, and stops nothing.
    """
    looks = AlertLook._default_manager.using(using)
    if not looks.filter(pk=AlertLook.ONLY).exists():
        looks.bulk_create([AlertLook(id=AlertLook.ONLY)], ignore_conflicts=True)
    is_free = Q(claimed_until=None) | Q(claimed_until__lte=now) | Q(claimed_until__gt=until)
    is_due = Q(looked_at=None) | Q(looked_at__lte=due) | Q(looked_at__gt=now)
    before = looks.filter(is_free, is_due, pk=AlertLook.ONLY).first()
    if before is None:
        return None
    same = looks.filter(pk=AlertLook.ONLY, claimed_until=before.claimed_until, looked_at=before.looked_at)
    return before if same.update(claimed_until=until) else None


def finish_look(using: str, claimed_until: datetime, **values: Any) -> None:
    """Release a claimed look, and set when it was made. A claim of another process is left alone."""
    looks = AlertLook._default_manager.using(using).filter(pk=AlertLook.ONLY, claimed_until=claimed_until)
    looks.update(claimed_until=None, **values)


def raise_alert(using: str, alert: Alert, messages: Sequence[AlertMessage]) -> bool:
    """Insert an alert and its messages. Return False if the same alert is open already."""
    try:
        with transactions.atomic(using):
            alert.save(using=using, force_insert=True)
            insert(using, messages)
    except IntegrityError:
        return False
    return True


def see_again(using: str, alert: Alert, values: Mapping[str, Any]) -> None:
    """Set the numbers of an open alert whose cause is still seen."""
    Alert._default_manager.using(using).filter(pk=alert.pk, resolved_at=None).update(**values)


def resolve(using: str, alert: Alert, now: datetime, messages: Sequence[AlertMessage]) -> bool:
    """Resolve an alert and insert its messages. Return False if it was resolved already."""
    with transactions.atomic(using):
        mine = Alert._default_manager.using(using).filter(pk=alert.pk, resolved_at=None)
        taken = bool(mine.update(resolved_at=now, open_key=None))
        if taken:
            insert(using, messages)
    return taken


def acknowledge(using: str, keys: Collection[UUID], now: datetime, who: str) -> int:
    """Acknowledge these alerts, except those that are acknowledged. Return their number."""
    alerts = Alert._default_manager.using(using).filter(pk__in=keys, acknowledged_at=None)
    return alerts.update(acknowledged_at=now, acknowledged_by=who)


def claim_message(using: str, message: AlertMessage, now: datetime, until: datetime) -> bool:
    """Claim an unsent message and count the attempt. Return False if another process has it or sent it."""
    is_free = Q(claimed_until=None) | Q(claimed_until__lte=now) | Q(claimed_until__gt=until)
    mine = AlertMessage._default_manager.using(using).filter(is_free, pk=message.pk, sent_at=None)
    same = mine.filter(attempts=message.attempts)
    return bool(same.update(claimed_until=until, attempts=F("attempts") + 1))


def complete_message(using: str, message: AlertMessage, sent_at: datetime | None, error: str) -> None:
    """Record that a claimed message was sent, or why not."""
    mine = AlertMessage._default_manager.using(using).filter(pk=message.pk, attempts=message.attempts + 1)
    mine.update(claimed_until=None, sent_at=sent_at, last_error=error)
