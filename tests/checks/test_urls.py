from __future__ import annotations

import pytest
from django.test import override_settings
from django.urls import include, path, set_script_prefix

from cmc_webhooks import checks
from tests.checks.test_checks import ids


class Urlconf:
    def __init__(self, *patterns):
        self.urlpatterns = list(patterns)


class TestCheckAddresses:
    @pytest.mark.parametrize("mount", ["cmc/webhook", "", "deep/er/hook"])
    def test_is_content_with_both_spellings(self, mount):
        with override_settings(ROOT_URLCONF=Urlconf(path(mount, include("cmc_webhooks.urls")))):
            assert checks.check_addresses(None) == []

    @pytest.mark.parametrize("mount", [None, "cmc/webhook/"])
    def test_warns_of_a_missing_spelling(self, mount):
        patterns = [] if mount is None else [path(mount, include("cmc_webhooks.urls"))]
        with override_settings(ROOT_URLCONF=Urlconf(*patterns)):
            assert ids(checks.check_addresses(None)) == ["W015"]

    @pytest.mark.parametrize(
        ("mount", "expected"), [("cmc/health", []), ("", ["W048"]), ("cmc/health/", ["W048"])], ids=str
    )
    def test_finds_the_metrics_behind_the_health_view(self, mount, expected):
        urls = Urlconf(
            path("cmc/webhook", include("cmc_webhooks.urls")),
            path(mount, include("cmc_webhooks.health_urls")),
        )
        with override_settings(ROOT_URLCONF=urls):
            assert ids(checks.check_addresses(None)) == expected

    def test_knows_a_project_that_is_not_at_the_root(self):
        urls = Urlconf(path("cmc/webhook", include("cmc_webhooks.urls")))
        set_script_prefix("/shop/")  # as FORCE_SCRIPT_NAME does
        try:
            with override_settings(ROOT_URLCONF=urls):
                assert checks.check_addresses(None) == []
        finally:
            set_script_prefix("/")
