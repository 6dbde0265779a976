"""The project whose databases are frozen: the app, users, permissions. DATABASE_URL names the server."""

from __future__ import annotations

import os

import dj_database_url

SECRET_KEY = "of-a-frozen-project"
USE_TZ = True
ALLOWED_HOSTS = ["testserver"]
ROOT_URLCONF = "tests.bare_urls"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "cmc_webhooks"]
DATABASES = {"default": dj_database_url.parse(os.environ.get("DATABASE_URL") or "sqlite:///frozen.sqlite3")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL",
    }
if DATABASES["default"]["ENGINE"].endswith("mysql"):
    DATABASES["default"]["OPTIONS"] = {"charset": "utf8mb4"}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

CMC_WEBHOOKS_API_KEYS = ["s3cret-value-for-tests"]
CMC_WEBHOOKS_CHANGE_FEED = True
CMC_WEBHOOKS_ALERT_EMAILS = ["on-duty@example.jp"]
# A frozen verdict does not change with the years
CMC_WEBHOOKS_SUPPRESSION = {"expires": None, "soft_expires": None}
