"""Receiving: store what an authenticated request or a backfill brings, once, and enqueue its signals."""

from __future__ import annotations

from cmc_webhooks.ingest.pipeline import Receipt, receive, take

__all__ = ["Receipt", "receive", "take"]
