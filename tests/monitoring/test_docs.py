"""The docs' configuration of Prometheus asks where the docs' URLconf mounts the metrics."""

from __future__ import annotations

import re

import pytest
from django.test import Client, override_settings
from django.urls import include, path

from tests.helpers import pages

TOKEN = "t0ken-of-the-monitoring"
PAGE = "reference/metrics"
URLS = "howto/monitoring"


def urlpatterns():
    """What the example of a URLconf makes."""
    names = {"path": path, "include": include, "urlpatterns": []}
    [block] = [each for each in pages.blocks(pages.text(URLS)) if "health_urls" in each]
    exec(block, names)  # noqa: S102 - our own words
    return type("Urlconf", (), {"urlpatterns": names["urlpatterns"]})


@pytest.mark.django_db
class TestMetrics:
    def test_are_where_prometheus_looks_for_them(self, settings):
        settings.CMC_WEBHOOKS_HEALTH_TOKENS = [TOKEN]
        address = re.search("metrics_path: (.+)", pages.blocks(pages.text(PAGE), "yaml")[0])[1]

        with override_settings(ROOT_URLCONF=urlpatterns()):
            codes = {Client().get(address, headers=headers).status_code for headers in ({}, bearer())}

        assert codes in ({401, 200}, {401, 404})


def bearer():
    return {"Authorization": f"Bearer {TOKEN}"}
