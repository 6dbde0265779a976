"""May mail be sent to an address? Verdicts, and decisions made by hand."""

from __future__ import annotations

from cmc_webhooks.suppression.decisions import block, forget, release
from cmc_webhooks.suppression.lifting import Lift, NotAllowed, lift_at_cmc
from cmc_webhooks.suppression.lists import Listed, Page, listing, stream
from cmc_webhooks.suppression.lookup import explain, may_send, verdicts
from cmc_webhooks.suppression.rules import Explained, Reason, Verdict

__all__ = [
    "Explained",
    "Lift",
    "Listed",
    "NotAllowed",
    "Page",
    "Reason",
    "Verdict",
    "block",
    "explain",
    "forget",
    "lift_at_cmc",
    "listing",
    "may_send",
    "release",
    "stream",
    "verdicts",
]
