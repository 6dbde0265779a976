"""The project that the tests run in: SQLite, or the server that DATABASE_URL names."""

from __future__ import annotations

import os
from importlib.util import find_spec

import dj_database_url
import django

SECRET_KEY = "tests-only"
USE_TZ = True
TIME_ZONE = "UTC"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.urls"

DATABASES = {
    "default": dj_database_url.parse(
        os.environ.get("DATABASE_URL") or "sqlite:///test.sqlite3", conn_max_age=60
    )
}
_default = DATABASES["default"]
if _default["ENGINE"].endswith("sqlite3"):
    _default["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 10,
        "init_command": "PRAGMA journal_mode=WAL",
    }
    _name = os.environ.get("TEST_SQLITE_NAME", "test").removesuffix(".sqlite3")
    _default["TEST"] = {"NAME": f"{_name}.sqlite3"}  # a name that git ignores
if _default["ENGINE"].endswith("mysql"):
    _default["OPTIONS"] = {"charset": "utf8mb4"}
    _default["TEST"] = {"CHARSET": "utf8mb4"}

_WITH_API = find_spec("rest_framework") is not None and find_spec("django_filters") is not None

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    *(["rest_framework", "django_filters"] if _WITH_API else []),
    *(["django_tasks"] if django.VERSION < (6, 0) and find_spec("django_tasks") else []),
    "cmc_webhooks",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "static/"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

CMC_WEBHOOKS_API_KEYS = ["s3cret-value-for-tests"]

CMC_WEBHOOKS_RAW_SQL = os.environ.get("CMC_RAW_SQL") != "0"
