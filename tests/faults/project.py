"""The server under fault: the database of the tests, and receivers that note what they are told."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.settings import *  # noqa: F403 - the tests' project, in a process of its own

DATABASES = {"default": json.loads(os.environ["FAULTS_DATABASE"])}
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "cmc_webhooks"]
if "FAULTS_WITHOUT_RECEIVERS" not in os.environ:
    INSTALLED_APPS.append("tests.faults")
ROOT_URLCONF = "tests.bare_urls"
MIDDLEWARE: list[str] = []
if "FAULTS_OPEN" in os.environ:
    CMC_WEBHOOKS_API_KEYS = []
    CMC_WEBHOOKS_ALLOW_UNAUTHENTICATED = True
if "FAULTS_KEYS" in os.environ:
    CMC_WEBHOOKS_API_KEYS = json.loads(Path(os.environ["FAULTS_KEYS"]).read_text())
