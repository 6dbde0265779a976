"""The example project on the database that DATABASE_URL names; no receivers, no cost of debugging."""

from __future__ import annotations

import json
import os

from benchmarks.payloads import KEY
from example_project.settings import *  # noqa: F403 - the same, with changes
from example_project.settings import DATABASES, INSTALLED_APPS

DEBUG = False
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = [*(app for app in INSTALLED_APPS if app != "example_project.shop"), "benchmarks.peers"]
ROOT_URLCONF = "benchmarks.urls"
CMC_WEBHOOKS_API_KEYS = [KEY]
LOGGING_CONFIG = None
DATABASES["default"].update(json.loads(os.environ.get("BENCHMARK_DATABASE", "{}")))  # a variant of `server`
CMC_WEBHOOKS_DISPATCH = os.environ.get("BENCHMARK_DISPATCH", "inline")
