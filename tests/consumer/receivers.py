"""Receivers, as the docs have them, and compared with the protocols of the signals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_type
from uuid import UUID

from django.core.mail import EmailMessage
from django.dispatch import receiver

from cmc_webhooks import signals
from cmc_webhooks.models import Alert, BlockEvent, BounceEvent, DeliveryEvent, Mail, Suppression
from cmc_webhooks.signals import (
    AlertReceiver,
    address_erased,
    alert_raised,
    alert_resolved,
    event_recorded,
    mails_pruned,
    on_status,
    recipients_suppressed,
    status_changed,
    suppression_changed,
)
from cmc_webhooks.status import BounceClass
from cmc_webhooks.suppression import Verdict


def note_decision(
    sender: type[Suppression], address: str, action: str, decision: Suppression | None, **kwargs: Any
) -> None:
    print(address, action, decision and decision.until)


@receiver(status_changed, sender=Mail)
def mark_order(mail: Mail, new: str, version: int, **kwargs: Any) -> None:
    print(mail.recipient, new, version)


def note_event(event: DeliveryEvent | BounceEvent | BlockEvent, mail: Mail | None, **kwargs: Any) -> None:
    if isinstance(event, BounceEvent):
        assert_type(event.mail, Mail)
    if mail is not None:
        print(mail.message_id)


def note_suppressed(message: EmailMessage, verdicts: Any, **kwargs: object) -> None:
    for verdict in verdicts.values():
        print(message.subject, verdict.reason)


async def mark_later(mail: Mail, old: str, new: str, **kwargs: Any) -> None:
    print(mail.recipient, old, new)


@on_status("bounced", bounce_class="hard", latest_only=True, dispatch_uid="shop-hard")
def stop_newsletter(mail: Mail, event: DeliveryEvent | BounceEvent, replay: bool, **kwargs: Any) -> None:
    print(mail.address, event.occurred_at, replay)


@on_status("failed", bounce_class=BounceClass.SOFT)
async def note_later(mail: Mail, version: int, **kwargs: Any) -> None:
    print(mail.recipient, version)


def delete_copies(mails: Sequence[UUID], **kwargs: Any) -> None:
    print(len(mails))


def note_erasure(mails: Sequence[UUID], address_hash: str, replay: bool, **kwargs: object) -> None:
    print(len(mails), address_hash, replay)


class Counter:
    """A receiver that is an object."""

    def __call__(self, sender: type[Mail], mail: Mail, **kwargs: object) -> int:
        return 1


def verdict_of(verdict: Verdict) -> str:
    return verdict.reason


event_recorded.connect(note_event)
event_recorded.connect(note_event, sender=BounceEvent, weak=False, dispatch_uid="note")
status_changed.connect(mark_order)
status_changed.connect(mark_later)
status_changed.connect(Counter())
recipients_suppressed.connect(note_suppressed)
suppression_changed.connect(note_decision)
status_changed.disconnect(mark_order)
mails_pruned.connect(delete_copies, sender=Mail)
address_erased.connect(note_erasure)
address_erased.connect(delete_copies)
assert_type(
    stop_newsletter(signal=status_changed, sender=Mail, mail=Mail(), event=BounceEvent(), replay=True), None
)

on_change: signals.StatusChangedReceiver = mark_order
on_event: signals.EventRecordedReceiver = note_event
on_pruned: signals.MailsPrunedReceiver = delete_copies
on_erased: signals.AddressErasedReceiver = note_erasure
on_decision: signals.SuppressionChangedReceiver = note_decision
on_suppressed: signals.RecipientsSuppressedReceiver = note_suppressed


@receiver(alert_raised)
def page(alert: Alert, **kwargs: Any) -> None:
    print(alert.kind, alert.sentence, alert.answer)


def note_end(alert: Alert, **kwargs: Any) -> None:
    print(alert.resolved_at)


ending: AlertReceiver = note_end
alert_resolved.connect(note_end)
