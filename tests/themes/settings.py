"""The tests' project in the theme that CMC_THEME names: default, unfold, jazzmin or grappelli."""

from __future__ import annotations

import os

from tests.settings import *  # noqa: F403 - the same, with changes
from tests.settings import INSTALLED_APPS as _INSTALLED_APPS
from tests.settings import MIDDLEWARE as _MIDDLEWARE

THEME = os.environ.get("CMC_THEME", "default")
ROOT_URLCONF = "tests.themes.urls"
INSTALLED_APPS = [*([] if THEME == "default" else [THEME]), *_INSTALLED_APPS]
MIDDLEWARE = [*_MIDDLEWARE[:1], "django.middleware.locale.LocaleMiddleware", *_MIDDLEWARE[1:]]
TIME_ZONE = "Asia/Tokyo"
