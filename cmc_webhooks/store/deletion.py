"""What leaves: rows that are deleted, and personal data that is blanked while its rows stay."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cmc_webhooks.models import BlockEvent, BounceEvent, DeliveryEvent, Mail, RejectedEvent
from cmc_webhooks.rows import stored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from django.db.models import Model

BLANKED = ("recipient", "address", "header_from", "return_path", "subject", "api_data", "reason")
"""The personal data of a mail. Its domain stays, for the counts by domain."""

_OF_MAILS: tuple[Any, ...] = (DeliveryEvent, BounceEvent)


def remove(using: str, keys: Sequence[UUID], *, model: type[Model]) -> int:
    """Delete rows that nothing refers to; how many there were."""
    return model._default_manager.using(using).filter(pk__in=keys).delete()[0] if keys else 0


def remove_mails(using: str, keys: Sequence[UUID]) -> None:
    """Delete mails, locked by the caller, and all their events; no statement more rows than `keys` has."""
    for model in _OF_MAILS:
        events = model._default_manager.using(using).filter(mail_id__in=keys)
        while some := list(events.order_by().values_list("pk", flat=True)[: len(keys)]):
            remove(using, some, model=model)
    Mail.objects.using(using).filter(pk__in=keys).delete()


def blank_mails(using: str, keys: Sequence[UUID]) -> int:
    """Blank the personal data of these mails and of their events; how many had not been erased before.

    Later events of them store no text, see `rows`.
    """
    mails = Mail.objects.using(using).filter(pk__in=keys, erased_at=None)
    blanked = mails.update(erased_at=stored(datetime.now(UTC)), **dict.fromkeys(BLANKED, ""))
    for model in _OF_MAILS:
        model._default_manager.using(using).filter(mail_id__in=keys).update(reason="", extra={})
    return blanked


def blank_blocks(using: str, keys: Sequence[UUID]) -> int:
    """Blank the addresses of these block events and what was sent; how many there were."""
    return BlockEvent.objects.using(using).filter(pk__in=keys).update(address="", raw={})


def blank_rejections(using: str, keys: Sequence[UUID]) -> int:
    """Blank the texts of these rejected events; how many there were. Told again, they stay blank.

    What has no text cannot be read again, so nobody waits for it any more.
    """
    rejected = RejectedEvent._default_manager.using(using).filter(pk__in=keys)
    rejected.filter(resolved_at=None).update(resolved_at=stored(datetime.now(UTC)))
    return rejected.update(raw="")


def blank_texts(using: str, row: Model, texts: dict[str, Any]) -> None:
    """Set some texts of one row."""
    type(row)._default_manager.using(using).filter(pk=row.pk).update(**texts)
