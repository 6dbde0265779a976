"""Fresh projects with the app, each run in processes of its own, as a developer's first `manage.py`."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["KEY", "Project", "new_databases"]

ROOT = Path(__file__).parents[2]
KEY = "s3cret-value-for-tests"

_SETTINGS = """
import os
import dj_database_url
SECRET_KEY = "a-secret-of-this-project-alone-0123456789-abcdefghij"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "urls"
USE_TZ = True
LANGUAGE_CODE = os.environ.get("PROJECT_LANGUAGE", "en-us")
INSTALLED_APPS = [
    "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
    "django.contrib.messages", "django.contrib.sessions", "django.contrib.staticfiles", "cmc_webhooks",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "APP_DIRS": True,
    "OPTIONS": {"context_processors": [
        "django.template.context_processors.request",
        "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]},
}]
STATIC_URL = "static/"
DATABASES = {"default": dj_database_url.parse("{url}", conn_max_age=60)}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL",
    }
CMC_WEBHOOKS_API_KEYS = ["{key}"]
"""
_URLS = """
from django.contrib import admin
from django.urls import include, path
urlpatterns = [
    path("admin/", admin.site.urls),
    path("cmc/webhook", include("cmc_webhooks.urls")),
    path("cmc/health", include("cmc_webhooks.health_urls")),
]
"""
_MANAGE = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
{start}
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
_START = """
import os, sys
sys.modules.update(dict.fromkeys({missing!r}))
"""


class Project:
    """A project in a folder, on a database of its own. `settings` is Python code behind the default settings.

    `missing` are packages that cannot be imported.
    """

    def __init__(
        self,
        folder: Path,
        settings: str = "",
        *,
        urls: str = _URLS,
        url: str = "",
        missing: tuple[str, ...] = (),
    ) -> None:
        self.folder = folder
        self._start = _START.format(missing=list(missing))
        text = _SETTINGS.replace("{url}", url or f"sqlite:///{folder}/project.sqlite3").replace("{key}", KEY)
        self.write("settings.py", text + textwrap.dedent(settings))
        self.write("urls.py", urls)
        self.write("manage.py", _MANAGE.format(start=self._start))

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    def manage(self, *arguments: str, language: str = "en-us") -> subprocess.CompletedProcess[str]:
        """Run `manage.py` with these arguments; its output is in the given language."""
        return self._run("manage.py", *arguments, language=language)

    def check(self, *arguments: str, language: str = "en-us") -> str:
        """Return what `manage.py check` prints about the app, lines joined."""
        ran = self.manage("check", *arguments, language=language)
        return " ".join((ran.stdout + ran.stderr).split())

    def pytest(self, *arguments: str) -> str:
        """Return what pytest prints."""
        ran = self._run("-m", "pytest", "-p", "no:randomly", *arguments, language="en-us")
        return ran.stdout + ran.stderr

    def python(self, script: str) -> str:
        """Return what a script prints in the project, with Django set up. Fail if it raises."""
        start = 'os.environ["DJANGO_SETTINGS_MODULE"] = "settings"\nimport django\ndjango.setup()\n'
        ran = self._run("-c", self._start + start + textwrap.dedent(script), language="en-us")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout.strip()

    def _run(self, *arguments: str, language: str) -> subprocess.CompletedProcess[str]:
        known = {
            name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "CMC_"))
        }
        return subprocess.run(  # noqa: S603 - our own words
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**known, "PROJECT_LANGUAGE": language, "PYTHONPATH": f"{self.folder}{os.pathsep}{ROOT}"},
            capture_output=True,
            text=True,
            timeout=120,
        )


@contextmanager
def new_databases(*names: str) -> Iterator[dict[str, str]]:
    """Make empty databases beside that of the tests. Yield their URLs by name, "" for SQLite."""
    if connection.vendor == "sqlite":
        yield dict.fromkeys(names, "")
        return
    made = {name: f"{connection.settings_dict['NAME']}_{name}" for name in names}
    server = os.environ["DATABASE_URL"].rpartition("/")[0]
    try:
        with connection.cursor() as cursor:
            for database in made.values():
                cursor.execute(f"DROP DATABASE IF EXISTS {database}")
                cursor.execute(f"CREATE DATABASE {database}")
        yield {name: f"{server}/{database}" for name, database in made.items()}
    finally:
        with connection.cursor() as cursor:
            for database in made.values():
                cursor.execute(f"DROP DATABASE IF EXISTS {database}")
