"""Which rows are bounces of a class; the admin's filters and the API's mean the same by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cmc_webhooks.models import Mail
from cmc_webhooks.querysets import one_of
from cmc_webhooks.status import BOUNCE_CODES, BOUNCED, BounceClass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet

__all__ = ["of_classes"]


def of_classes(rows: QuerySet[Any], kinds: Iterable[str], *, by_status: bool = True) -> QuerySet[Any]:
    """Those of one of these classes; of mails, by the winning bounce. `unknown` is every other code.

    Mails are found by the index of their status, unless a range of another time than that of receipt finds
    them: planners take status and code for independent, and would prefer it to the index of that time.
    """
    kinds = set(kinds)
    if issubclass(rows.model, Mail):
        if by_status:
            rows = rows.filter(status=BOUNCED)
        if BounceClass.UNKNOWN in kinds:  # and not a delivery with that very word
            rows = rows.filter(bounce_event_id__isnull=False)
    if BounceClass.UNKNOWN in kinds:
        others = [code for code, (_, kind) in BOUNCE_CODES.items() if kind not in kinds]
        return rows.exclude(one_of(rows.db, "bounce_code", others))
    codes = [code for code, (_, kind) in BOUNCE_CODES.items() if kind in kinds]
    return rows.filter(one_of(rows.db, "bounce_code", codes))
