"""What a check says."""

from __future__ import annotations

from django.core import checks

Message = checks.CheckMessage


def error(number: str, message: str, hint: str) -> Message:
    return checks.Error(message, hint=hint, id=f"cmc_webhooks.{number}")


def warning(number: str, message: str, hint: str) -> Message:
    return checks.Warning(message, hint=hint, id=f"cmc_webhooks.{number}")
