"""Receives the webhooks of Customers Mail Cloud, keeps each mail's history, and tells the project's code."""

from __future__ import annotations

__version__ = "0.1.0"
