"""The settings of a project in the deferred mode; its request and its worker are processes of their own."""

from __future__ import annotations

import os

import django

SECRET_KEY = "tests-only"
ALLOWED_HOSTS = ["testserver"]
USE_TZ = True
ROOT_URLCONF = "tests.bare_urls"
BACKEND = os.environ["WORKER_BACKEND"]
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    *(["django_tasks"] if django.VERSION < (6, 0) else []),
    *(["django_tasks_db"] if BACKEND == "db" else []),
    *(["django_rq"] if BACKEND == "rq" else []),
    "cmc_webhooks",
    "tests.workers",
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["WORKER_DATABASE"],
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL",
        },
    }
}
TASKS = {
    "default": {
        "db": {"BACKEND": "django_tasks_db.DatabaseBackend"},
        "rq": {"BACKEND": "django_tasks_rq.RQBackend", "QUEUES": ["default"]},
        "celery": {"BACKEND": "django.tasks.backends.dummy.DummyBackend"},
    }[BACKEND]
}
RQ_QUEUES = {"default": {"URL": os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/7")}}
CMC_WEBHOOKS_API_KEYS = ["s3cret-value-for-tests"]
CMC_WEBHOOKS_DISPATCH = "tests.workers.celery_app.wake_up" if BACKEND == "celery" else "deferred"
