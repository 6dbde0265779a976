"""The tests' project as a careful site has it: a strict policy, and the browser's language."""

from __future__ import annotations

from tests.settings import *  # noqa: F403 - the same, with changes
from tests.settings import MIDDLEWARE as _MIDDLEWARE

MIDDLEWARE = [
    "tests.browser.middleware.strict_policy",
    *_MIDDLEWARE[:1],
    "django.middleware.locale.LocaleMiddleware",
    *_MIDDLEWARE[1:],
]
TIME_ZONE = "Asia/Tokyo"
