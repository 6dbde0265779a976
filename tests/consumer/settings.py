"""Settings of a project that uses cmc_webhooks. Type checkers read them; nothing runs with them."""

from __future__ import annotations

SECRET_KEY = "for type checkers"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "cmc_webhooks"]
CMC_WEBHOOKS_API_KEYS = ["for type checkers"]
