"""The README's examples of watching the app, run as they stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from django.test import Client, override_settings
from django.urls import include, path

from tests import factories, readme
from tests.readme import ROOT

TOKEN = "t0ken-of-the-monitoring"

SETTINGS = """
from tests.settings import *
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "shop.sqlite3",
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"},
    }
}
"""
MAIL = """
import django
django.setup()
from django.utils import timezone
from cmc_webhooks import wire
from tests import factories
factories.NotificationFactory(received_at=timezone.now())
"""


def example(section, language):
    """The first code block in this language below a heading."""
    return readme.blocks(readme.section("Watching it", section), language)[0]


def urlpatterns(section):
    """What an example of a URLconf makes."""
    namespace = {"path": path, "include": include}
    exec(example(section, "python"), namespace)  # noqa: S102 - our own words
    return type("Urlconf", (), {"urlpatterns": namespace["urlpatterns"]})


class TestCronLine:
    def run(self, folder, *command):
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{folder}:{ROOT}", "DJANGO_SETTINGS_MODULE": "shop"}
        ran = subprocess.run(  # noqa: S603 - our own words
            command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=True
        )
        return ran.stdout + ran.stderr

    def test_says_something_where_something_is_wrong_and_nothing_else(self, tmp_path):
        (tmp_path / "shop.py").write_text(SETTINGS)
        (tmp_path / "manage.py").write_text((ROOT / "manage.py").read_text())
        python = tmp_path / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o700)
        self.run(tmp_path, python, "manage.py", "migrate", "--verbosity=0")
        schedule, _, line = example("From cron", "crontab").partition(" cd /srv/shop && ")

        before = self.run(tmp_path, "sh", "-c", line)
        self.run(tmp_path, python, "-c", MAIL)
        after = self.run(tmp_path, "sh", "-c", line)

        assert len(schedule.split()) == 5
        assert "no notification ever came" in before
        assert after == ""


@pytest.mark.django_db
class TestHealthView:
    def test_is_asked_by_curl(self, settings):
        settings.CMC_WEBHOOKS_HEALTH_TOKENS = [TOKEN]
        header, address = re.search(
            r'-H "([^"]+)" "https://[^/]+(/[^"]+)"', example("The health view", "sh")
        ).groups()
        name, _, value = header.partition(": ")

        with override_settings(ROOT_URLCONF=urlpatterns("The health view")):
            answer = Client().get(address, headers={name: value.replace("$CMC_HEALTH_TOKEN", TOKEN)})

        assert (answer.status_code, len(answer.json()["problems"])) == (503, 1)

    def test_has_the_metrics_where_prometheus_looks_for_them(self, settings):
        settings.CMC_WEBHOOKS_HEALTH_TOKENS = [TOKEN]
        address = re.search("metrics_path: (.+)", example("Prometheus", "yaml"))[1]

        with override_settings(ROOT_URLCONF=urlpatterns("The health view")):
            codes = {Client().get(address, headers=headers).status_code for headers in ({}, bearer())}

        assert codes in ({401, 200}, {401, 404})


def bearer():
    return {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.django_db(transaction=True)
class TestDjangoHealthCheck:
    def test_has_the_check_among_others(self):
        pytest.importorskip("health_check.views")
        factories.RejectedEventFactory()

        with override_settings(ROOT_URLCONF=urlpatterns("django-health-check")):
            answer = Client().get("/health/?format=json")

        told = json.loads(answer.content)
        assert told["CmcWebhooks(max_age=900.0, fail_if_silent=7200)"].startswith(
            "Warning: 1 events were rejected"
        )
