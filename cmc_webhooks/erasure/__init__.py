"""Erasure and disclosure of what identifies a person, by address."""

from __future__ import annotations

from cmc_webhooks.audit import Actor, address_hash
from cmc_webhooks.erasure.blanking import Erased, erase
from cmc_webhooks.erasure.disclosure import Disclosure, as_html, disclose

__all__ = ["Actor", "Disclosure", "Erased", "address_hash", "as_html", "disclose", "erase"]
