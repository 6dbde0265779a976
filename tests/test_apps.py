"""The app in other projects than the tests': each is a process of its own, with the settings it needs."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BARE = {
    "SECRET_KEY": "x",
    "INSTALLED_APPS": ["cmc_webhooks"],
    "DATABASES": {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": "bare.sqlite3",
            "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"},
        }
    },
    "ROOT_URLCONF": "tests.bare_urls",
    "ALLOWED_HOSTS": ["testserver"],
    "CMC_WEBHOOKS_API_KEYS": ["s3cret-value-for-tests"],
}


@pytest.fixture
def project(tmp_path):
    """Runs a script in a project with these settings, some modules missing; returns what it printed."""

    def run(script, *, missing=(), **settings):
        start = f"""
            import sys
            sys.modules.update(dict.fromkeys({list(missing)!r}))
            import django
            from django.conf import settings
            settings.configure(**{ {**BARE, **settings}!r})
            django.setup()
            from django.core.management import call_command
        """
        source = textwrap.dedent(start) + textwrap.dedent(script)
        command = [sys.executable, "-W", "error", "-c", source]
        ran = subprocess.run(  # noqa: S603 - our own words
            command,
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "PATH": ""},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    return run


POST = """
    call_command("check", fail_level="WARNING", verbosity=0)
    call_command("migrate", verbosity=0)
    from django.test import Client
    from tests.conftest import delivery, notification
    from cmc_webhooks.models import DeliveryEvent, Mail
    for _ in range(2):
        body = notification("deliveries", delivery())
        answer = Client().generic("POST", "/cmc/webhook", body, "application/json")
        print(answer.status_code, answer.content.decode())
    event = DeliveryEvent.objects.get()
    print(event.occurred_at, Mail.objects.get().status, end="")
"""
WATCHED_URLS = """
from django.urls import include, path
urlpatterns = [
    path("cmc/webhook", include("cmc_webhooks.urls")),
    path("cmc/health", include("cmc_webhooks.health_urls")),
]
"""
WATCH = """
    print()
    from django.urls import reverse
    for name in ("health", "metrics"):
        address = reverse("cmc_webhooks_health:" + name)
        answer = Client().get(address, headers={"Authorization": "Bearer a-token-for-this-test"})
        print(address, answer.status_code)
    print("cmc_webhooks.monitoring.metrics" in sys.modules)
"""
STORED = ['200 {"new": 1, "repeated": 0, "rejected": 0}', '200 {"new": 0, "repeated": 1, "rejected": 0}']


class TestApp:
    def test_works_without_admin_drf_and_django_filter(self, project):
        printed = project(
            POST, missing=["django.contrib.admin", "rest_framework", "django_filters", "drf_spectacular"]
        )

        assert printed.splitlines()[1:] == [*STORED, "2023-01-25 05:03:06+00:00 queued"]

    @pytest.mark.parametrize(
        ("missing", "code"),
        [
            pytest.param(["prometheus_client", "health_check"], 404, id="without the client of Prometheus"),
            pytest.param([], 200 if find_spec("prometheus_client") else 404, id="with what there is"),
        ],
    )
    def test_is_watched_without_users(self, project, tmp_path, missing, code):
        (tmp_path / "watched_urls.py").write_text(WATCHED_URLS)

        printed = project(
            POST + WATCH,
            missing=missing,
            ROOT_URLCONF="watched_urls",
            CMC_WEBHOOKS_HEALTH_TOKENS=["a-token-for-this-test"],
        )

        assert printed.splitlines()[-3:] == [
            "/cmc/health 200",
            f"/cmc/health/metrics {code}",
            str(code == 200),
        ]

    def test_works_with_use_tz_off(self, project):
        printed = project(POST, USE_TZ=False, TIME_ZONE="America/New_York")

        assert printed.splitlines()[1:] == [*STORED, "2023-01-25 00:03:06 queued"]

    def test_stands_beside_apps_with_common_names(self, project, tmp_path):
        for name in ("webhooks", "events", "mail"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "__init__.py").touch()
            (tmp_path / name / "models.py").write_text(
                "from django.db import models\n\n\nclass Mail(models.Model):\n    pass\n"
            )

        printed = project(
            """
            call_command("check", verbosity=0)
            call_command("migrate", run_syncdb=True, verbosity=0)
            from django.db import connection
            print(*sorted(t for t in connection.introspection.table_names() if "mail" in t))
            """,
            INSTALLED_APPS=["webhooks", "events", "mail", "cmc_webhooks"],
            DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        )

        assert (
            printed.splitlines()[1]
            == "cmc_webhooks_mail cmc_webhooks_mailcount events_mail mail_mail webhooks_mail"
        )
