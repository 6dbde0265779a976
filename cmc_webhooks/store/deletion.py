"""Deletion of rows, and anonymisation: personal data is blanked while its rows stay."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cmc_webhooks.event_types import MAIL_EVENT_MODELS
from cmc_webhooks.models import BlockEvent, Change, Mail, RejectedEvent
from cmc_webhooks.models.mails import PERSONAL_FIELDS
from cmc_webhooks.models.notifications import IS_OPEN
from cmc_webhooks.store import changes
from cmc_webhooks.timezones import to_stored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from django.db.models import Model


def remove(using: str, keys: Sequence[UUID], *, model: type[Model]) -> int:
    """Delete rows. Return their number, without the rows of other models that are deleted with them."""
    rows = model._default_manager.using(using).filter(pk__in=keys)
    if keys and model in changes.KINDS:
        changes.record_rows(rows, Change.Kinds.DELETED.value)
    return rows.delete()[1].get(model._meta.label, 0) if keys else 0


def remove_mails(using: str, keys: Sequence[UUID]) -> None:
    """Delete mails, which the caller has locked, and all their events.

    No statement deletes more rows than there are `keys`.
    """
    for model in MAIL_EVENT_MODELS:
        events = model._default_manager.using(using).filter(mail_id__in=keys)
        while some := list(events.order_by().values_list("pk", flat=True)[: len(keys)]):
            remove(using, some, model=model)
    mails = Mail.objects.using(using).filter(pk__in=keys)
    changes.record_rows(mails, Change.Kinds.DELETED.value)
    mails.delete()


def blank_mails(using: str, keys: Sequence[UUID]) -> int:
    """Blank the personal data of these mails and of their events.

    Return the number of mails that had not been erased before. Their later events store no text, see
    `ingest.rows`.
    """
    mails = Mail.objects.using(using).filter(pk__in=keys, erased_at=None)
    changes.record_rows(mails, Change.Kinds.ERASED.value)
    blanked = mails.update(erased_at=to_stored(datetime.now(UTC)), **dict.fromkeys(PERSONAL_FIELDS, ""))
    for model in MAIL_EVENT_MODELS:
        model._default_manager.using(using).filter(mail_id__in=keys).update(reason="", extra={})
    return blanked


def blank_blocks(using: str, keys: Sequence[UUID]) -> int:
    """Blank the addresses and the raw data of these block events. Return the number of rows."""
    blocks = BlockEvent.objects.using(using).filter(pk__in=keys)
    changes.record_rows(blocks, Change.Kinds.BLOCK.value)
    return blocks.update(address="", raw={})


def blank_rejections(using: str, keys: Sequence[UUID]) -> int:
    """Blank the texts of these rejected events. Return the number of rows.

    If the events are sent again, they stay blank. Without its text an event cannot be reprocessed, so it
    counts as resolved, unless it was dismissed.
    """
    rejected = RejectedEvent._default_manager.using(using).filter(pk__in=keys)
    rejected.filter(IS_OPEN).update(resolved_at=to_stored(datetime.now(UTC)))
    return rejected.update(raw="")


def blank_texts(using: str, row: Model, texts: dict[str, Any]) -> None:
    """Set these texts of one row, by field name."""
    rows = type(row)._default_manager.using(using).filter(pk=row.pk)
    if kind := changes.KINDS.get(type(row)):
        changes.record_rows(rows, kind)
    rows.update(**texts)
