"""A Django app that receives Customers Mail Cloud's webhooks, stores mail histories and sends signals."""

from __future__ import annotations

__version__ = "0.1.0"
