"""D40: no page of an admin site leads to another site, or needs a model that is not registered there."""

from __future__ import annotations

import re
from collections import Counter, deque
from urllib.parse import urljoin

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import override_settings
from django.urls import path

from cmc_webhooks import models
from tests.admin.conftest import browser_of
from tests.helpers import factories
from tests.urls import urlpatterns as of_the_tests

pytestmark = pytest.mark.django_db

MOST_QUERIES = 6
"""Query strings of one path that are opened: filters link to each other without end."""


def site_of(name, *chosen):
    site = admin.AdminSite(name=name)
    site.site_url = None
    for model in apps.get_app_config("cmc_webhooks").get_models():
        registered = admin.site._registry.get(model)
        if registered is not None and (not chosen or model in chosen):
            site.register(model, type(registered))
    return site


SUPPORT, OPS = site_of("support"), site_of("ops", models.Mail)
URLCONF = type(
    "Urlconf",
    (),
    {"urlpatterns": [*of_the_tests, path("support/", SUPPORT.urls), path("ops/", OPS.urls)]},
)


@pytest.fixture(autouse=True)
def _two_sites():
    with override_settings(ROOT_URLCONF=URLCONF):
        yield


@pytest.fixture
def rows():
    mail = factories.MailFactory(recipient="taro@example.jp", bounce_code="2")
    factories.DeliveryEventFactory(mail=mail)
    factories.BounceEventFactory(mail=mail)
    factories.BlockEventFactory(address="taro@example.jp")
    factories.NotificationFactory()
    factories.RejectedEventFactory()
    factories.PendingSignalFactory(items=[[]], state="dead")
    factories.SuppressionFactory(address="taro@example.jp")
    return mail


def links_of(page, what="href|action"):
    found = re.findall(rf' (?:{what})="([^"#]+)', page.content.decode())
    return {link.replace("&amp;", "&") for link in found if not re.match(r"https?:|/static/|mailto:", link)}


def crawl(browser, root, *beginnings):
    """Every page that links of a site lead to, by URL, nearest first."""
    waiting, seen, queries = deque([root, *beginnings]), {}, Counter()
    while waiting:
        url = waiting.popleft()
        path = url.partition("?")[0]
        if (
            url in seen
            or queries[path] == MOST_QUERIES
            or re.search(r"logout|password_change|jsi18n|/export/|/disclose/|/r/", url)
        ):
            continue
        queries[path] += 1
        page = browser.get(url)
        seen[url] = page
        if "text/html" in page.get("Content-Type", "") and page.status_code == 200:
            posted = {urljoin(url, link) for link in links_of(page, "action")}
            assert [each for each in posted if not each.startswith(root)] == []
            waiting += sorted(urljoin(url, link) for link in links_of(page, "href"))
    return seen


class TestEverySite:
    @pytest.mark.parametrize(("root", "lists"), [("/support/", 8), ("/ops/", 1)])
    def test_leads_to_no_other_site(self, rows, root, lists):
        browser = browser_of(is_staff=True, is_superuser=True)

        pages = crawl(browser, root, f"{root}cmc_webhooks/mail/{rows.pk}/change/")

        assert {page.status_code for page in pages.values()} <= {200, 302}
        strange = {url for url in pages if not url.startswith(root)}
        assert strange == set(), strange
        assert all(
            page["Location"].startswith(("?", root)) for page in pages.values() if page.status_code == 302
        )
        listed = {match[1] for url in pages if (match := re.search(r"/cmc_webhooks/(\w+)/$", url))}
        assert len(listed) >= lists
        assert f"{root}cmc_webhooks/mail/overview/" in pages

    @pytest.mark.parametrize(("root", "site"), [("/support/", SUPPORT), ("/ops/", OPS)])
    def test_stays_with_its_actions_and_exports(self, rows, root, site):
        browser = browser_of(is_staff=True, is_superuser=True)
        for model in site._registry:
            row = model._default_manager.first()
            if row is None:
                continue
            url = f"{root}cmc_webhooks/{model._meta.model_name}/"
            for action in site.get_model_admin(model).actions or ():
                asked = browser.post(url, {"action": action, "_selected_action": [str(row.pk)], "index": "0"})
                assert asked.status_code in (200, 302)
                leading = links_of(asked) if asked.status_code == 200 else {asked["Location"]}
                assert [link for link in leading if link.startswith("/") and not link.startswith(root)] == []
            exported = browser.post(f"{url}export/")
            assert exported.status_code in (200, 302, 404)

    def test_with_mails_alone_has_an_overview(self, rows):
        page = browser_of(is_staff=True, is_superuser=True).get("/ops/cmc_webhooks/mail/overview/")

        assert page.status_code == 200
        assert "/ops/cmc_webhooks/mail/?" in page.content.decode()
        assert "pendingsignal" not in page.content.decode()
