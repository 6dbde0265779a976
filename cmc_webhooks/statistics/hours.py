"""Count the mails of a short time by hour. The daily counters know no hours, so the mails are read."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from django.db.models import Case, Count, IntegerField, When

from cmc_webhooks.db.text import exactly, grouped
from cmc_webhooks.models import Mail

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

__all__ = ["MOST_MAILS", "by_hour"]

MOST_MAILS = 100_000
"""Maximum number of mails of a day that a page may read. The caller knows it from the daily counters."""


def by_hour(
    using: str, edges: Sequence[datetime], server_composition: str | None = None
) -> list[Counter[str]]:
    """Return the mails between each two of these times (stored, ascending) by status, in one query.

    The mails are found by when they were first received, as the daily counters are.
    """
    mails = Mail.objects.using(using).filter(created_at__gte=edges[0], created_at__lt=edges[-1])
    mails = mails.exclude(delivery_event_id=None, bounce_event_id=None)
    if server_composition is not None:
        mails = exactly(mails, "server_composition", server_composition)
    places = [When(created_at__lt=end, then=place) for place, end in enumerate(edges[1:])]
    place = Case(*places, output_field=IntegerField())
    found = [Counter[str]() for _ in edges[1:]]
    for group in grouped(mails, "status", place=place).annotate(all=Count("pk")):
        found[group["place"]][group["status"]] += group["all"]
    return found
