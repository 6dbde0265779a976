"""The example project on the database that DATABASE_URL names; no receivers, no cost of debugging."""

from __future__ import annotations

from benchmarks.payloads import KEY
from example_project.settings import *  # noqa: F403
from example_project.settings import INSTALLED_APPS

DEBUG = False
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = [*(app for app in INSTALLED_APPS if app != "example_project.shop"), "benchmarks.peers"]
ROOT_URLCONF = "benchmarks.urls"
CMC_WEBHOOKS_API_KEYS = [KEY]
LOGGING_CONFIG = None
