"""The processes that write and follow the change feed: the database of the tests, and the feed is on."""

from __future__ import annotations

import json
import os

from tests.settings import *  # noqa: F403 - the tests' project, in a process of its own

DATABASES = {"default": json.loads(os.environ["FAULTS_DATABASE"])}
CMC_WEBHOOKS_CHANGE_FEED = True
