"""The example project on the database that DATABASE_URL names, without the cost of debugging."""

from __future__ import annotations

from example_project.settings import *  # noqa: F403

DEBUG = False
ALLOWED_HOSTS = ["*"]
CMC_WEBHOOKS_API_KEYS = ["a-key-for-benchmarks"]
LOGGING_CONFIG = None
