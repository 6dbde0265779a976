"""Lists as files: streamed in constant memory, with CSV cells that are not formulas."""

from __future__ import annotations

from cmc_webhooks.downloads.streaming import download

__all__ = ["download"]
