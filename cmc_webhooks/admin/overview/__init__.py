"""The delivery overview: what is unusual, then the outcomes of the mails of some days, as pictures."""

from __future__ import annotations

from cmc_webhooks.admin.overview.page import view
from cmc_webhooks.admin.overview.top import start

__all__ = ["start", "view"]
