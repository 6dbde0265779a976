"""The least that a project needs: no DRF, no django-filter, no admin."""

from __future__ import annotations

SECRET_KEY = "for-the-wheel-only"
ALLOWED_HOSTS = ["testserver"]
INSTALLED_APPS = ["cmc_webhooks"]
ROOT_URLCONF = "minimal_urls"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "wheel.sqlite3",
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"},
    }
}
CMC_WEBHOOKS_API_KEYS = ["a-key-of-the-wheel-check"]
