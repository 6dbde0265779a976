"""The admin's pages in other themes, in Debian's Chromium.

`tox run -e themes`, which is `pytest --ds=tests.themes.settings` once for each theme. Nothing is collected
without CMC_THEME, the theme, and CMC_BROWSER, the path of the browser.
"""

from __future__ import annotations

import os

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from tests.browser.conftest import BROWSER, DESKTOP, at, chromium, history, pictures, receive
from tests.conftest import delivery

__all__ = ["at", "chromium", "delivery", "history", "pictures", "receive"]  # fixtures, and what they need

THEME = os.environ.get("CMC_THEME", "")
collect_ignore_glob = [] if BROWSER and THEME else ["test_*.py"]


@pytest.fixture
def page(live_server, chromium, history):
    """A page of the list of mails for a superuser; fails at the end if a script failed."""
    client, faults = Client(), []
    client.force_login(User.objects.create_superuser("support"))
    context = chromium.new_context(viewport=dict(zip(("width", "height"), DESKTOP, strict=True)))
    context.add_cookies(
        [
            {
                "name": settings.SESSION_COOKIE_NAME,
                "value": client.cookies[settings.SESSION_COOKIE_NAME].value,
                "url": live_server.url,
            }
        ]
    )
    # One theme asks for a font of another host
    context.route(lambda url: not url.startswith(live_server.url), lambda route: route.abort())
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: faults.append(dialog.message) or dialog.dismiss())
    page.goto(f"{live_server.url}/admin/cmc_webhooks/mail/")
    yield page
    context.close()
    assert faults == []
