"""Lists as files: streamed in constant memory, with CSV cells that are not formulas, or as workbooks."""

from __future__ import annotations

from cmc_webhooks.downloads.streaming import FileName, download, download_file
from cmc_webhooks.downloads.tables import Column, Table

__all__ = ["Column", "FileName", "Table", "download", "download_file"]
