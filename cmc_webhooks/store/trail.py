"""Records of what was done with personal data. They are added and completed, never deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cmc_webhooks.models import Trail

if TYPE_CHECKING:
    from uuid import UUID


def add(using: str, record: Trail) -> None:
    """Insert a record, inside the caller's transaction if there is one."""
    record.save(using=using, force_insert=True)


def complete(using: str, key: UUID, rows: int, details: dict[str, Any]) -> None:
    """Set the number of rows and the details of a record whose work is done."""
    Trail._default_manager.using(using).filter(pk=key).update(rows=rows, details=details)
