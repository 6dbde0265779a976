"""The commonest replies of the servers of some domains to refused mails, without addresses."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from django.db.models.functions import Left

from cmc_webhooks.alerts import reading
from cmc_webhooks.models import Mail
from cmc_webhooks.status import BOUNCED, DeliveryStatus

if TYPE_CHECKING:
    from collections.abc import Collection

    from cmc_webhooks.statistics import reports

__all__ = ["MOST_MAILS", "commonest"]

MOST_MAILS = 1000
"""Maximum number of mails that are read for each status: the latest."""
_LENGTH = 1200


def commonest(using: str, scope: reports.Scope, domains: Collection[str]) -> dict[str, str]:
    """Return the commonest reply by domain, in two queries.

    Only the latest mails that failed and that bounced are read, by the index of their status. They are
    narrowed to the domains and the composition afterwards: a rare one would make the database read them all.
    """
    begin, end = scope.days.bounds()
    found: defaultdict[str, list[str]] = defaultdict(list)
    for status in (DeliveryStatus.FAILED.value, BOUNCED):
        mails = Mail.objects.using(using).filter(status=status, created_at__gte=begin, created_at__lt=end)
        latest = mails.order_by("-created_at", "-id").annotate(reply=Left("reason", _LENGTH))
        for domain, composition, reply in latest.values_list("domain", "server_composition", "reply")[
            :MOST_MAILS
        ]:
            if reply and domain in domains and scope.server_composition in (None, composition):
                found[domain].append(reply)
    return {domain: reading.commonest(replies) for domain, replies in found.items()}
